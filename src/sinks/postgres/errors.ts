/** What PostgreSQL and its client throw at a sink, as an error that says what to do. */
import { CodedError } from "../../error.ts";

/** SQLSTATEs of what time may mend: connections, resources, cancelled statements, shutdowns, deadlocks, a read-only database. */
const PASSING = /^(08|40|53|57|58|25006|25P03|55P03|55006|XX000)/;
/** A password or a user that is wrong, a database that is not there, a privilege that is missing. */
const TARGET = /^(28|3D000|42501)/;
/** What the client finds wrong with a certificate. */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO|ERR_TLS/;

interface Thrown {
  /** An SQLSTATE, or what the system calls its error. */
  code?: string;
  message?: string;
  /** Only what the server itself has said has one. */
  severity?: string;
}

/** A CodedError stays as it is, and so does a mistake of ours. @param shown the database, without its password */
export function postgresError(shown: string, thrown: unknown): unknown {
  if (thrown instanceof CodedError || thrown instanceof TypeError || thrown instanceof RangeError) return thrown;
  const { code = "", message = "", severity } = thrown as Thrown;
  const cause = { cause: thrown };
  const target = (sentence: string) => new CodedError("INVALID_ARGUMENT", "SINK_TARGET", sentence, cause);
  if (severity === undefined) {
    if (/^SASL: .*password/.test(message)) {
      return target(`${shown} asks for a password: put it into --url or DB_PASSWORD`);
    }
    if (/does not support SSL/.test(message)) return target(`${shown} speaks no TLS: give sslmode=disable`);
    if (CERTIFICATE.test(code)) {
      return target(`the certificate of ${shown} is not trusted (${message}): name its authority in DB_CA_FILE`);
    }
  } else if (TARGET.test(code)) {
    return target(
      `${shown} refuses (${message}): see that the database is there, and that the user may log in and make a schema in it`,
    );
  } else if (!PASSING.test(code)) {
    const sentence = `${shown} cannot take these rows (${message}): its schema contract_data is not as this program made it, or is damaged; restore it, or fill another database`;
    return new CodedError("DATA_LOSS", "SINK_DAMAGED", sentence, cause);
  }
  const sentence = `${shown} takes no rows now (${message || code}): see that it runs, has room and may be written to`;
  return new CodedError("UNAVAILABLE", "SINK_AWAY", sentence, cause);
}

/** A row with its key is there already. */
export function isConflict(thrown: unknown): boolean {
  return (thrown as Thrown).code === "23505";
}
