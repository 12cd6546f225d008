/**
 * What the follower of a lake asks of the place where the lake's objects are. Keys are relative to the lake's root, with
 * `/` between their parts. A folder answers here; an object store answers the same questions by HEAD and LIST.
 */
import { promises as fs } from "node:fs";
import path from "node:path";
import { fileFault, isMissing } from "./file-fault.ts";

export interface LakeStorage {
  /** Whether there is an object of that key; false also while the storage does not answer. */
  has(key: string): Promise<boolean>;
  /** When the object last changed (Unix ms), or undefined where there is none. */
  changedUnixMs(key: string): Promise<number | undefined>;
  /** Names of objects and of folders right below `folder` ("" is the root), in no order; none where it is missing. */
  list(folder: string): Promise<string[]>;
  /** @throws CodedError as fileFault says, where the lake's root is not there or does not answer */
  checkRoot(): Promise<void>;
}

/** A lake in a local folder. Nothing here blocks the event loop: the file system is asked by the runtime's threads. */
export class FolderStorage implements LakeStorage {
  constructor(readonly folder: string) {}

  has(key: string): Promise<boolean> {
    return fs.stat(path.join(this.folder, key)).then(
      () => true,
      () => false,
    );
  }

  async changedUnixMs(key: string): Promise<number | undefined> {
    try {
      const { mtimeMs, ctimeMs } = await fs.stat(path.join(this.folder, key));
      return Math.max(mtimeMs, ctimeMs); // a copy may bring an old mtime along
    } catch {
      return undefined;
    }
  }

  async list(folder: string): Promise<string[]> {
    const where = path.join(this.folder, folder);
    try {
      return await fs.readdir(where); // without types: these would cost an object for each of 64,000 names
    } catch (thrown) {
      if (folder !== "" && isMissing(thrown)) return [];
      throw fileFault(where, thrown);
    }
  }

  async checkRoot(): Promise<void> {
    await fs.access(this.folder).catch((thrown) => {
      throw fileFault(this.folder, thrown);
    });
  }
}
