/** The settings that say who may call, and what they may do. */
import { setting } from "./setting.ts";
import { boolean, byteSize, httpUrl, listOf, text } from "./types.ts";

/** What can be opened to everybody where credentials are asked for; ACCESS_OPEN. */
const OPEN_PARTS = ["health", "metrics", "status", "reflection"] as const;
/** One of OPEN_PARTS. */
export type OpenPart = (typeof OPEN_PARTS)[number];

/** The least pace of a name. */
export const BYTES_PER_SECOND_MIN = 64 << 10; // a batch of 2 MiB in half a minute
const BYTES_PER_SECOND_CEILING = 2 ** 40; // more than any network

const pace = byteSize(BYTES_PER_SECOND_MIN, BYTES_PER_SECOND_CEILING);

/** See schema.ts. */
export const ACCESS_SETTINGS = {
  apiKeysFile: setting({
    env: "API_KEYS_FILE",
    group: "Security",
    type: text,
    default: "",
    defaultNote: "none",
    description:
      "File of API keys, one a line, as the command api-key writes them: a name and a hash, never the key. Clients send a key as a bearer token with each call, and all three listeners ask for one then.",
    example: "/etc/contract-data/api-keys",
  }),
  passwordsFile: setting({
    env: "PASSWORDS_FILE",
    group: "Security",
    type: text,
    default: "",
    defaultNote: "none",
    description:
      "File of names and passwords, one a line, as the command hash-password writes them: a name and a slow hash. Clients send both with each call (Basic), or turn them into a Flight token by Handshake; all three listeners ask for credentials then.",
    example: "/etc/contract-data/passwords",
  }),
  jwtIssuer: setting({
    env: "JWT_ISSUER",
    group: "Security",
    type: text,
    default: "",
    defaultNote: "none: JWTs are not accepted",
    description:
      "The issuer (iss) whose JWTs are accepted as bearer tokens, by all three listeners. Needs JWT_AUDIENCE, and JWT_JWKS_URL or JWT_KEY_FILE.",
    example: "https://login.example.org/",
  }),
  jwtAudience: setting({
    env: "JWT_AUDIENCE",
    group: "Security",
    type: text,
    default: "",
    defaultNote: "none",
    description: "The audience (aud) that a JWT has to be for.",
    example: "contract-data",
  }),
  jwtJwksUrl: setting({
    env: "JWT_JWKS_URL",
    group: "Security",
    type: httpUrl,
    default: "",
    defaultNote: "none",
    description:
      "Where the issuer's public keys are (a JWK set). They are read every 5 minutes, and when a token has a new key; while the issuer is away, those that were read last hold.",
    example: "https://login.example.org/.well-known/jwks.json",
  }),
  jwtKeyFile: setting({
    env: "JWT_KEY_FILE",
    group: "Security",
    type: text,
    default: "",
    defaultNote: "none",
    description:
      "File of the issuer's public keys, in place of JWT_JWKS_URL: a JWK set, a JWK, or a public key in PEM (RS256, ES256, EdDSA).",
    example: "/etc/contract-data/issuer.pem",
  }),
  jwtCaFile: setting({
    env: "JWT_CA_FILE",
    group: "Security",
    type: text,
    default: "",
    defaultNote: "the public authorities",
    description:
      "PEM file of the certificate authorities that are trusted, in place of the public ones, for a JWT_JWKS_URL with https.",
    example: "/etc/contract-data/issuer-ca.pem",
  }),
  jwtRoleClaim: setting({
    env: "JWT_ROLE_CLAIM",
    group: "Security",
    type: text,
    default: "",
    defaultNote: "none: ACCESS_FILE gives roles",
    description:
      "The claim of a JWT with a role (reader, operator or admin), a word or a list; a dotted name leads into objects. ACCESS_FILE's entry for the name (sub) comes first.",
    example: "realm_access.roles",
  }),
  accessFile: setting({
    env: "ACCESS_FILE",
    group: "Security",
    type: text,
    default: "",
    defaultNote: "none: everybody who has proved a name is a reader",
    description:
      "JSON file that gives names a role (reader, operator, admin), what they may read, and limits: docs/security.md.",
    example: "/etc/contract-data/access.json",
  }),
  nameBytesPerSecondMax: setting({
    env: "NAME_BYTES_PER_SECOND_MAX",
    group: "Security",
    type: { ...pace, parse: (value) => (value === "" ? 0 : pace.parse(value)) },
    default: "",
    defaultNote: "no limit",
    unit: "bytes a second",
    description:
      "How much all streams of one name together, of Flight and HTTP, are sent in a second, in bytes of Arrow data, where ACCESS_FILE has no bytes_per_second_max for the name. Streams that are over it wait; none is ended.",
    example: "16MiB",
  }),
  accessOpen: setting({
    env: "ACCESS_OPEN",
    group: "Security",
    type: listOf(OPEN_PARTS),
    default: "",
    defaultNote: "only /livez, /ready, /readyz and gRPC health",
    description:
      "What else is answered without credentials where the server asks for some: health (/health), metrics (/metrics), status (/status.json and what the console shows), reflection (gRPC server reflection).",
    example: "metrics,reflection",
  }),
  insecureListen: setting({
    env: "INSECURE_LISTEN",
    group: "Security",
    type: boolean,
    default: "false",
    description:
      "Whether a listener whose address is not set, and which asks for no credentials, may listen on every interface. Otherwise it listens on 127.0.0.1; an address that is set is kept in any case.",
    example: "true",
  }),
} as const;
