/**
 * Drivers of Flight SQL (ADBC, JDBC, ODBC) send protobuf commands of a protocol that this server does not speak; arrow's
 * format/FlightSql.proto has them. They show their user the server's sentence, so it says what to do instead.
 */
import { CodedError } from "../error.ts";

/** Within the Any that a command is wrapped in, which begins with the type's address. */
const COMMAND = /type\.googleapis\.com\/arrow\.flight\.protocol\.sql\.([A-Za-z]{1,64})/;
const COMMAND_BYTES_MAX = 160; // the address stands at the beginning, and the longest has under a hundred characters

const SQL_ACTIONS: ReadonlySet<string> = new Set([
  "CreatePreparedStatement",
  "CreatePreparedSubstraitPlan",
  "ClosePreparedStatement",
  "BeginTransaction",
  "EndTransaction",
  "BeginSavepoint",
  "EndSavepoint",
  "CancelQuery",
]);

const REMEDY =
  'this is no Flight SQL server and answers no queries. Read it with a plain Flight client such as pyarrow.flight: descriptor PATH ["contract","data"], or CMD {"start_ledger":…,"end_ledger":…}';

/** Refuses a descriptor's command or a ticket of Flight SQL. @throws CodedError INVALID_ARGUMENT / NO_SQL */
export function refuseSql(bytes: Uint8Array): void {
  const head = Buffer.from(bytes.subarray(0, COMMAND_BYTES_MAX)).toString("latin1");
  const command = COMMAND.exec(head)?.[1];
  if (command !== undefined) throw new CodedError("INVALID_ARGUMENT", "NO_SQL", `${command}: ${REMEDY}`);
}

/**
 * Refuses an action of Flight SQL, as one that is not there: drivers go on without it.
 * @throws CodedError UNIMPLEMENTED / NO_SQL
 */
export function refuseSqlAction(type: string): void {
  if (SQL_ACTIONS.has(type)) throw new CodedError("UNIMPLEMENTED", "NO_SQL", `${type}: ${REMEDY}`);
}
