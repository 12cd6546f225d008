/** The files of the console, by the path at which they are served. The bundler puts their text into the binary. */
import charts from "./charts.js" with { type: "text" };
import client from "./client.js" with { type: "text" };
import style from "./console.css" with { type: "text" };
import main from "./console.js" with { type: "text" };
import dom from "./dom.js" with { type: "text" };
import page from "./index.html" with { type: "text" };
import overview from "./overview.js" with { type: "text" };
import rows from "./rows.js" with { type: "text" };
import session from "./session.js" with { type: "text" };

/** One file. */
interface ConsoleFile {
  /** Its media type. */
  type: string;
  text: string;
}

const script = (text: string): ConsoleFile => ({ type: "text/javascript; charset=utf-8", text });

/** All of them. */
export const CONSOLE_FILES: Readonly<Record<string, ConsoleFile>> = {
  "/": { type: "text/html; charset=utf-8", text: page as unknown as string }, // with type "text" it is no HTMLBundle
  "/console/console.css": { type: "text/css; charset=utf-8", text: style },
  "/console/console.js": script(main),
  "/console/dom.js": script(dom),
  "/console/client.js": script(client),
  "/console/charts.js": script(charts),
  "/console/overview.js": script(overview),
  "/console/session.js": script(session),
  "/console/rows.js": script(rows),
};
