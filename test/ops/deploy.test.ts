/** What the container and the unit of deploy/ ask for is there: settings, the binary that make build makes. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SETTINGS } from "../../src/config/schema.ts";

const read = (name: string) => readFileSync(join(import.meta.dir, "../../deploy", name), "utf8");

test("the container and the unit set what can be set, and run what is built", () => {
  const known = new Set<string>(Object.values(SETTINGS).map(({ env }) => env));
  const container = read("Dockerfile");
  const unit = read("contract-data-processor.service");
  const set = [...container.matchAll(/^ENV (\w+)=/gm), ...unit.matchAll(/^Environment=(\w+)=/gm)].map(
    ([, name]) => name!,
  );
  // addresses too: without them a server that asks for no credentials listens on loopback alone
  const each = ["DATA_DIR", "FLIGHT_ADDRESS", "GRPC_ADDRESS", "HEALTH_PORT"];
  expect(set.toSorted()).toEqual([...each, ...each].toSorted());
  for (const name of set) expect(known.has(name)).toBe(true);
  expect(container).toContain("/src/dist/contract-data-processor /usr/local/bin/contract-data-processor");
  expect(unit).toContain("ExecStart=/usr/local/bin/contract-data-processor serve");
  // as flake.nix and docs/install.md have it
  expect(container).toContain("USER 1000:1000\n");
  expect(container).toContain('CMD ["/usr/local/bin/contract-data-processor", "health", "--live"]');
  const port = (address: string) => address.split(":").at(-1)!;
  const { grpcAddress, flightAddress, healthAddress } = SETTINGS;
  expect(/^EXPOSE (.*)$/m.exec(container)?.[1]?.split(" ")).toEqual(
    [grpcAddress, flightAddress, healthAddress].map((setting) => port(setting.default)),
  );
});
