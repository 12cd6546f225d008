/** `make generate`: writes every generated file of the project. */

const GENERATORS = [
  "generate-xdr.ts",
  "generate-proto.ts",
  "generate-schemas.ts",
  "generate-docs.ts",
  "generate-dashboard.ts",
];

for (const name of GENERATORS) {
  const script = new URL(name, import.meta.url);
  const { exitCode } = Bun.spawnSync([process.execPath, script.pathname], { stdio: ["ignore", "inherit", "inherit"] });
  if (exitCode !== 0) process.exit(exitCode);
}
