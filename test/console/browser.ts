/** Debian's Chromium, headless, and how two pictures are compared. */
import { readFileSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** The path of a Chromium; undefined, with a message, where there is none: the tests that want it are skipped. */
export function chromiumPath(): string | undefined {
  const found = NAMES.map((name) => Bun.which(name)).find((path) => path !== null);
  if (found) return found;
  if (process.env.CI === "true") throw new Error("under CI: there is no Chromium (apt-get install chromium)");
  console.warn("skipped: the console in a browser, for there is no Chromium (apt-get install chromium)");
  return undefined;
}

/** The flags that a container of tests needs. */
export function launch(executablePath: string): Promise<Browser> {
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"] });
}

interface Difference {
  /** Height of the second by that of the first. */
  height: number;
  /** Mean difference of the channels, 0 to 255, of both made small: fonts differ from machine to machine. */
  mean: number;
}

const SMALL_WIDTH = 60; // a line of text is less than a dot high: what is compared are places and colours

/** In the page: both pictures made small, and their difference. */
const COMPARE = `async (first, second, width) => {
  const read = async (png) => {
    const image = new Image();
    image.src = "data:image/png;base64," + png;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = Math.round((width * image.height) / image.width);
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return { height: image.height, data: context.getImageData(0, 0, canvas.width, canvas.height).data };
  };
  const [x, y] = [await read(first), await read(second)];
  const length = Math.min(x.data.length, y.data.length);
  let sum = 0;
  for (let at = 0; at < length; at++) sum += Math.abs(x.data[at] - y.data[at]);
  return { height: y.height / x.height, mean: sum / length };
}`;

/** @param page a blank page of the browser */
export async function difference(page: Page, first: Uint8Array, second: Uint8Array): Promise<Difference> {
  const [a, b] = [first, second].map((bytes) => JSON.stringify(Buffer.from(bytes).toString("base64")));
  return page.evaluate<Difference>(`(${COMPARE})(${a}, ${b}, ${SMALL_WIDTH})`);
}

export const picture = (path: string): Uint8Array => readFileSync(path);
