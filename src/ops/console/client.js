/** Requests to the server, with the credentials that this tab has been given. They end with the tab. */
import { byId } from "./dom.js";

const KEY = "authorization";

export class Refused extends Error {
  constructor(status, { reason = "", message } = {}) {
    super(message ?? `the server answers ${status}`);
    this.status = status;
    this.reason = reason;
  }
}

/** The JSON of an answer. @throws Refused */
export async function ask(path, { method = "GET", body } = {}) {
  const authorization = sessionStorage.getItem(KEY);
  const headers = { Accept: "application/json" };
  if (authorization !== null) headers.Authorization = authorization;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new Refused(response.status, typeof answer.error === "object" ? answer.error : { message: answer.error });
}

/** What somebody wrote as JSON. @throws Error with a sentence */
export function jsonOf(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`the filters are not JSON: ${error.message}`);
  }
}

let asking;

/** Asks the person for credentials; resolves when there are some. */
export function logIn(why) {
  asking ??= new Promise((resolve) => {
    byId("login-why").textContent = why;
    const dialog = byId("login");
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    byId("login-form").addEventListener(
      "submit",
      () => {
        const name = byId("login-name").value;
        const secret = byId("login-secret").value.trim();
        byId("login-secret").value = "";
        sessionStorage.setItem(KEY, name === "" ? `Bearer ${secret}` : `Basic ${base64(`${name}:${secret}`)}`);
        asking = undefined;
        resolve();
      },
      { once: true },
    );
    dialog.showModal();
  });
  return asking;
}

export const hasLogin = () => sessionStorage.getItem(KEY) !== null;

export function logOut() {
  sessionStorage.removeItem(KEY);
  location.reload();
}

const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

/** Asks before something is changed; resolves true where the person wants it. */
export function confirmed(title, text, yes) {
  byId("ask-title").textContent = title;
  byId("ask-text").textContent = text;
  byId("ask-yes").textContent = yes;
  const dialog = byId("ask");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
