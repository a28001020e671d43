const SVG = "http://www.w3.org/2000/svg";

/** The points of an SVG polyline for `values` (null: no line there), newest at the right edge. */
export function points(values, { width, height, most, count }) {
  const step = width / (count - 1);
  const first = count - values.length;
  const place = (value, i) => `${((first + i) * step).toFixed(1)},${(height * (1 - Math.min(value, most) / most)).toFixed(1)}`;
  return values.map((value, i) => (value === null ? null : place(value, i))).filter((one) => one !== null).join(" ");
}

/** A number that is easy to read, at or above `value`: the top of a scale. */
export function ceiling(value, least) {
  return [1, 2, 5, 10, 20, 30, 60, 120, 300, 600].find((one) => one >= Math.max(value, least)) ?? Math.ceil(value);
}

/** Draws lines into an SVG element, one per series, whose class is the series' name. */
export function draw(svg, series, scale) {
  for (const [name, values] of Object.entries(series)) {
    const line = svg.querySelector(`.${name}`) ?? svg.appendChild(document.createElementNS(SVG, "polyline"));
    line.setAttribute("class", name);
    line.setAttribute("points", points(values, scale));
  }
}
