/** The executable's name, in usage lines and in front of every error. */
export const PROGRAM = "contract-data-processor";
export const PROGRAM_SUMMARY = "every change to Soroban contract data, as Arrow record batches over Arrow Flight";
