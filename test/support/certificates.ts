/** Certificates of a private authority, made by openssl for one test and gone with it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The files of a certificate and its key. */
export interface KeyPair {
  cert: string;
  key: string;
}

interface Issued {
  /** subjectAltName; default: this machine's loopback. */
  names?: string;
  /** Days from now until it ends; negative: it has ended. */
  days?: number;
  /** Default: the test's own authority. */
  authority?: KeyPair;
  /** What it may be used for, as extendedKeyUsage has it; default: anything. */
  usage?: string;
  /** It is valid only in the far future. */
  isFuture?: boolean;
}

/** False where openssl is not there, which says so; throws that under CI=true. */
export function hasOpenssl(): boolean {
  const there = spawnSync("openssl", ["version"]).status === 0;
  if (!there && process.env.CI === "true") throw new Error("under CI: no openssl to make certificates with");
  if (!there) console.log("skipped: TLS tests make their certificates with openssl, which is not there");
  return there;
}

export class Certificates {
  readonly folder = mkdtempSync(join(tmpdir(), "certificates-"));
  /** Issues all others, unless they say otherwise. */
  readonly ca = this.authority("ca");

  /** Another authority of the same name as the others. */
  authority(name: string): KeyPair {
    const { cert, key } = this.pair(name);
    const subject = ["-subj", "/CN=Test Authority", "-addext", "keyUsage=critical,keyCertSign"];
    openssl(["req", "-x509", ...EC_KEY, "-nodes", "-keyout", key, "-out", cert, "-days", "30", ...subject]);
    return { cert, key };
  }

  issue(name: string, issued: Issued = {}): KeyPair {
    const { names = "DNS:localhost,IP:127.0.0.1", days = 30, authority = this.ca, usage, isFuture } = issued;
    const { cert, key } = this.pair(name);
    const [request, extensions] = [this.file(`${name}.csr`), this.file(`${name}.ext`)];
    writeFileSync(
      extensions,
      `subjectAltName=${names}\nbasicConstraints=CA:FALSE\n${usage === undefined ? "" : `extendedKeyUsage=${usage}\n`}`,
    );
    openssl(["req", ...EC_KEY, "-nodes", "-keyout", key, "-out", request, "-subj", `/CN=${name}`]);
    const by = ["-CA", authority.cert, "-CAkey", authority.key, "-set_serial", String(Date.now())];
    if (isFuture) {
      const config = this.file(`${name}.cnf`, FUTURE.replaceAll("FOLDER", this.folder));
      this.file("index", "");
      const dates = ["-startdate", "20400101000000Z", "-enddate", "20410101000000Z"];
      const files = ["-in", request, "-extfile", extensions, "-out", cert, "-cert", authority.cert];
      openssl(["ca", "-batch", "-notext", "-config", config, ...dates, ...files, "-keyfile", authority.key]);
    } else
      openssl(["x509", "-req", "-in", request, ...by, "-days", String(days), "-extfile", extensions, "-out", cert]);
    return { cert, key };
  }

  /** A file in the folder. */
  file(name: string, content?: string): string {
    const path = join(this.folder, name);
    if (content !== undefined) writeFileSync(path, content);
    return path;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private pair(name: string): KeyPair {
    return { cert: this.file(`${name}.pem`), key: this.file(`${name}.key`) };
  }
}

/** The contents of a pair's files. */
export function contentOf({ cert, key }: KeyPair): KeyPair {
  return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
}

/** What openssl needs to choose the day from which a certificate is valid. */
const FUTURE = `[ca]
default_ca=test
[test]
database=FOLDER/index
new_certs_dir=FOLDER
rand_serial=yes
default_md=sha256
policy=any
[any]
commonName=supplied
`;

const EC_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];

function openssl(args: string[]): void {
  const { status, stderr } = spawnSync("openssl", args);
  if (status !== 0) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
}
