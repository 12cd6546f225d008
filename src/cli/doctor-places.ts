/** `doctor` at what the server needs on its own machine: its folder, its ports, its files. */
import { constants, promises as fs } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { type Address, dialTarget, formatAddress } from "../config/address.ts";
import { readCredentials } from "../config/credentials.ts";
import type { Config } from "../config/schema.ts";
import { CodedError } from "../error.ts";
import type { Finding } from "./finding.ts";

/** DATA_DIR: whether sessions can be kept there. Nothing is made or written. */
export async function lookAtDataDir({ dataDir }: Config): Promise<Finding> {
  const subject = "DATA_DIR";
  if (dataDir === "") {
    return { subject, state: "note", detail: "not set: sessions are gone when the server ends" };
  }
  const found = await fs.stat(dataDir).catch(() => undefined);
  if (found !== undefined && !found.isDirectory()) {
    return { subject, state: "trouble", detail: `${dataDir} is a file: name a folder` };
  }
  const place = found === undefined ? await nearestFolder(dataDir) : dataDir;
  const isWritable = await fs.access(place, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!isWritable) {
    const detail = `${place} cannot be written by this user: change its owner, or name another folder`;
    return { subject, state: "trouble", detail };
  }
  return {
    subject,
    state: "ok",
    detail: found === undefined ? `${dataDir} will be made` : `${dataDir} can be written`,
  };
}

/** The nearest folder above that is there. */
async function nearestFolder(missing: string): Promise<string> {
  for (let folder = path.resolve(missing); ; folder = path.dirname(folder)) {
    const isThere = await fs.access(folder).then(
      () => true,
      () => false,
    );
    if (isThere || folder === path.dirname(folder)) return folder;
  }
}

/** One listener's address: whether this process may listen there. It does so for a moment. */
export async function lookAtListener(subject: string, address: Address): Promise<Finding> {
  const shown = formatAddress(address);
  const server = createServer();
  const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once("error", resolve);
    server.listen({ host: address.host === "" ? undefined : address.host, port: address.port }, () =>
      resolve(undefined),
    );
  });
  if (error === undefined) {
    await new Promise((resolve) => server.close(resolve));
    return { subject, state: "ok", detail: `${shown} is free` };
  }
  if (error.code === "EADDRINUSE") {
    const detail = `${shown} is taken: by this server if it is running (a look at ${dialTarget(address)} tells), else name another port`;
    return { subject, state: "note", detail };
  }
  return { subject, state: "trouble", detail: `${shown} cannot be listened on (${error.code}): name another address` };
}

/** The file of FLIGHT_CREDENTIALS, where it names one. */
export function lookAtCredentials({ flightCredentials }: Config): Finding {
  const subject = "FLIGHT_CREDENTIALS";
  try {
    const { length } = readCredentials(flightCredentials, subject);
    if (length === 0) return { subject, state: "note", detail: "not set: everybody who reaches Flight may read" };
    return { subject, state: "ok", detail: `${length} ${length === 1 ? "name" : "names"} may read` };
  } catch (thrown) {
    return { subject, state: "trouble", detail: CodedError.from(thrown).message };
  }
}
