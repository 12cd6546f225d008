import packageJson from "../../package.json" with { type: "json" };

/** The project's version, as package.json has it: what `--version`, `/health` and SERVICE_VERSION say. */
export const VERSION: string = packageJson.version;
