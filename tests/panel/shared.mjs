import { readFileSync } from "node:fs";

/** What the Python side does in many situations; see vectors.py. */
export const vectors = JSON.parse(readFileSync(process.env.PANEL_VECTORS, "utf-8"));

export const panel = (name) => import(new URL(`../../src/echopanel/panel/js/${name}`, import.meta.url));
