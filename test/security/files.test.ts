/** The files of credentials and roles: what is accepted, and errors that name the place and never a secret. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCredentials } from "../../src/config/credentials.ts";
import { loadConfig } from "../../src/config/load.ts";
import { CodedError } from "../../src/error.ts";
import { readAccess } from "../../src/security/access.ts";
import { readAccessFile } from "../../src/security/access-file.ts";
import { newApiKey, readApiKeys, sha256 } from "../../src/security/api-keys.ts";
import { passwordLine, readPasswords } from "../../src/security/password-hashes.ts";
import { runCommand } from "../support/processor.ts";
import { CONTRACT } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "access-files-"));
afterAll(() => rmSync(folder, { recursive: true }));

const written = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const faultOf = (work: () => unknown) => {
  try {
    work();
  } catch (thrown) {
    return CodedError.from(thrown);
  }
  throw new Error("it was accepted");
};

test("the command api-key prints a line with a hash, and the key beside it", async () => {
  const { exitCode, stdout, stderr } = await runCommand(["api-key", "team-a"]);
  const key = stderr.trim();
  expect({ exitCode, line: stdout }).toEqual({ exitCode: 0, line: `team-a:sha256:${sha256(key)}\n` });
  expect(key).toMatch(/^cdp_[\w-]{43}$/);
  const keys = readApiKeys("API_KEYS_FILE", written("keys", `# ours\n\n${stdout}${newApiKey("team-a").line}\n`));
  expect(keys.map(({ name }) => name)).toEqual(["team-a", "team-a"]);
  expect((await runCommand(["api-key", "team a"])).exitCode).toBe(2);
});

test("a line that is none is named by its number, and not shown", () => {
  const path = written("bad-keys", `${newApiKey("a").line}\nteam-b:s3cr3t\n`);
  const { reason, message } = faultOf(() => readApiKeys("API_KEYS_FILE", path));
  expect(reason).toBe("CREDENTIALS_FILE");
  expect(message).toContain("API_KEYS_FILE: the file");
  expect(message).toContain("line 2");
  expect(message).not.toContain("s3cr3t");
  expect(faultOf(() => readApiKeys("API_KEYS_FILE", written("empty", "# none\n"))).message).toContain("is empty");
  expect(faultOf(() => readApiKeys("API_KEYS_FILE", join(folder, "gone"))).message).toContain("ENOENT");
});

test("files with a BOM, CRLF, empty lines and comments are read; one key under two names is whose?", async () => {
  const { line } = newApiKey("a");
  const text = `\uFEFF${line}\r\n\r\n  \t\r\n# ours\r\n${newApiKey("b").line}  \r\n${line}\r\n`;
  expect(readApiKeys("API_KEYS_FILE", written("odd", text)).map(({ name }) => name)).toEqual(["a", "b", "a"]);
  const two = written("two", `${line}\n${line.replace("a:", "b:")}\n`);
  const { message } = faultOf(() => readApiKeys("API_KEYS_FILE", two));
  expect(message).toContain("line 2");
  expect(message).toContain("that no other name has");
  const access = written("bom.json", '\uFEFF{"names":{"a":{"role":"reader"}}}\r\n');
  expect(readAccessFile(access).names.get("a")).toEqual({ role: "reader" });
  const passwords = written("bom-passwords", `\uFEFF${await passwordLine("ann", "x")}\r\n`);
  expect(readPasswords("PASSWORDS_FILE", passwords)[0]!.name).toBe("ann");
  const setting = { file: written("bom-credentials", "\uFEFFann:x\r\n\r\nbob:y\r\n") };
  expect(readCredentials(setting, "FLIGHT_CREDENTIALS").map(({ name }) => name)).toEqual(["ann", "bob"]);
});

test("roles are read with what they are confined to", () => {
  const grant = { role: "reader", sessions: ["team=a"], contract_ids: [CONTRACT] };
  const rules = readAccessFile(written("access", JSON.stringify({ names: { a: grant }, others: { role: "admin" } })));
  expect(rules.names.get("a")).toEqual({ role: "reader", sessions: ["team=a"], contractIds: [CONTRACT] });
  expect(rules.others).toEqual({ role: "admin" });
});

test.each([
  ['{\n "names": {"a": {"role": "writer"}}}', 'names.a.role "writer"', "line 2"],
  ['{"names": {"a": {}}}', "names.a.role missing", "line 1"],
  ['{"names":\n{"a":\n{"role": "reader", "session": ["x"]}}}', "names.a.session, which is no field", "line 3"],
  ['{"names": {"a": {"role": "reader", "sessions": []}}}', "names.a.sessions", "no list of session ids"],
  ['{"names": {"a": {"role": "reader", "contract_ids": ["CAAA"]}}}', "names.a.contract_ids[0]", "contract ids"],
  ['{"names": {"a": {"role": "admin", "sessions": ["x"]}}}', "names.a", "an admin may do everything"],
  ['{"names": {"a": {"role": "reader"}, "a": {"role": "admin"}}}', "names.a twice", "keep one"],
  ['{"name": {}}', "name, which is no field; did you mean names?", "line 1"],
  ['{"others": 3}', "others, which is no object", "line 1"],
  ['{"names": }', "is not JSON", "line 1"],
])("%s is refused with the field and its place", (text, field, place) => {
  const { reason, message } = faultOf(() => readAccessFile(written("bad-access", text)));
  expect(reason).toBe("ACCESS_FILE");
  expect(message).toContain(field);
  expect(message).toContain(place);
});

test("roles without anybody who has a name are refused", () => {
  const env = { ACCESS_FILE: written("roles", '{"names":{}}') };
  expect(faultOf(() => readAccess(loadConfig({ env }).values)).message).toContain(
    "set API_KEYS_FILE, PASSWORDS_FILE, JWT_ISSUER or TLS_CLIENT_CA_FILE too",
  );
});
