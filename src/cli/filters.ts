import { text } from "../config/types.ts";
import { defineCommand } from "./command.ts";
import { ADDRESS_FLAG, JSON_FLAG, withControl } from "./control-call.ts";
import { repeated, toggle } from "./flags.ts";

export const command = defineCommand({
  usage: "[--contract-id C…]… [--asset-code CODE]… [--asset-issuer G…]… [--include-deleted] [flags]",
  description:
    "The given lists replace those in force; a list that is not given selects everything. Each flag may be repeated.",
  flags: {
    "contract-id": repeated({ placeholder: "C…", type: text, summary: "Only rows of this contract." }),
    "asset-code": repeated({ placeholder: "CODE", type: text, summary: "Only rows of assets with this code." }),
    "asset-issuer": repeated({ placeholder: "G…", type: text, summary: "Only rows of assets of this issuer." }),
    "include-deleted": toggle({ summary: "Also rows of removed entries." }),
    address: ADDRESS_FLAG,
    json: JSON_FLAG,
  },
  examples: [
    {
      command: "contract-data-processor filters --asset-code USDC --asset-code EURC --include-deleted",
      meaning: "two assets, with removed entries",
    },
  ],
  async run(context) {
    const { flags } = context;
    const response = await withControl(context, (client) =>
      client.configureFilters({
        contractIds: flags["contract-id"],
        assetCodes: flags["asset-code"],
        assetIssuers: flags["asset-issuer"],
        includeDeleted: flags["include-deleted"],
      }),
    );
    context.print(flags.json ? JSON.stringify(response) : response.message);
  },
});
