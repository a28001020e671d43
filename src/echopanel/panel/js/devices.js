/** A source of audio cannot be had; the message says what to do. */
export class DeviceError extends Error {}

// Echo is cancelled for people who use loudspeakers; noise suppression is made for ears and harms recognition.
const MICROPHONE = { channelCount: 1, echoCancellation: true, noiseSuppression: false, autoGainControl: true };
// A shared tab has to come as it is; cancelling "echo" would take away what is also heard in the room.
const SHARED = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

const TROUBLE = {
  microphone: {
    NotAllowedError: "The browser may not use the microphone. Allow it (the icon beside the address), then try again.",
    "NotAllowedError dismissed": "The question about the microphone was closed. Try again and allow it, or choose Off under You.",
    "NotAllowedError system": "The system does not let the browser use the microphone. Allow it in the system's settings.",
    NotFoundError: "No microphone was found. Plug one in, or switch it off here.",
    OverconstrainedError: "That microphone is gone. Choose another one.",
    NotReadableError: "The microphone cannot be opened; another program may be using it.",
  },
  display: {
    NotAllowedError: "Nothing was shared. Try again and pick the tab of your call, or choose Off under Others.",
    "NotAllowedError system": "The system does not let the browser record the screen. Allow it in the system's settings.",
    NotFoundError: "There is nothing to share on this computer.",
    NotReadableError: "The system does not let the browser record the screen; allow it in the system's settings.",
  },
};

/** Whether this browser can record what a tab or the system plays; only browsers built on Chromium can. */
export function canShareAudio() {
  const { mediaDevices } = navigator;
  return Boolean(mediaDevices?.getDisplayMedia && mediaDevices.getSupportedConstraints().suppressLocalAudioPlayback);
}

/** The microphones, named once the person has allowed one: [{id, label}]. */
export async function microphones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices
    .filter((device) => device.kind === "audioinput" && device.label && device.deviceId !== "default")
    .map((device) => ({ id: device.deviceId, label: device.label }));
}

/** The sound of a microphone; `deviceId` "" means the default one. Throws DeviceError. */
export async function openMicrophone(deviceId) {
  const audio = deviceId ? { ...MICROPHONE, deviceId: { exact: deviceId } } : MICROPHONE;
  return ask("microphone", () => mediaDevices().getUserMedia({ audio }));
}

/** The sound of a tab, or of the system. Has to be the first thing that happens after a click. Throws DeviceError. */
export async function openDisplay() {
  // Browsers share sound only together with a picture: the smallest there is, and nobody looks at it.
  const options = {
    video: { frameRate: { max: 1 }, width: { max: 320 } },
    audio: SHARED,
    systemAudio: "include",
    selfBrowserSurface: "exclude",
    surfaceSwitching: "include",
  };
  const stream = await ask("display", () => mediaDevices().getDisplayMedia(options));
  if (stream.getAudioTracks().length > 0) return stream;
  for (const track of stream.getTracks()) track.stop();
  throw new DeviceError("That was shared without its sound. Share it again with the switch for audio on; a window has none, a tab does.");
}

/** A recording, as an AudioBuffer of `context`. Throws DeviceError. */
export async function openFile(file, context) {
  try {
    return await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new DeviceError(`${file.name} is not a recording that this browser can read. Try WAV, MP3, M4A or FLAC.`);
  }
}

async function ask(what, open) {
  try {
    return await open();
  } catch (error) {
    if (error instanceof DeviceError) throw error;
    throw new DeviceError(explain(what, error));
  }
}

/** What went wrong and what to do; Chromium's message tells why something is not allowed. */
function explain(what, { name, message }) {
  const why = /dismissed|system/.exec(message)?.[0];
  return TROUBLE[what][`${name} ${why}`] ?? TROUBLE[what][name] ?? `The ${what} cannot be opened: ${message}`;
}

function mediaDevices() {
  if (navigator.mediaDevices) return navigator.mediaDevices;
  throw new DeviceError("Browsers give sound only to pages of this computer or with https. Open the panel that way.");
}
