// Generated from proto/Flight.proto by scripts/generate-proto.ts; change that file, then run: make generate
// biome-ignore-all format: generated
// biome-ignore-all lint: generated
// biome-ignore-all assist: generated
import protobuf from "protobufjs/minimal.js";
import type { Codec, ServiceType } from "../service.ts";
import { Timestamp } from "./google-protobuf-timestamp.ts";

function integerOf(value: unknown): number {
  const number = Number(value); // protobufjs gives a Long
  if (!Number.isSafeInteger(number)) throw new RangeError(`${number} is beyond the integers that a number holds exactly`);
  return number;
}

/** arrow.flight.protocol.HandshakeRequest */
export interface HandshakeRequest {
  protocolVersion: number;
  payload: Uint8Array;
}

export const HandshakeRequest: Codec<HandshakeRequest> = {
  typeName: "arrow.flight.protocol.HandshakeRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.protocolVersion) writer.uint32(8).uint64(message.protocolVersion);
    if (message.payload?.length) writer.uint32(18).bytes(message.payload);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: HandshakeRequest = { protocolVersion: 0, payload: new Uint8Array(0) };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.protocolVersion = integerOf(reader.uint64());
          break;
        case 18:
          message.payload = reader.bytes();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** arrow.flight.protocol.HandshakeResponse */
export interface HandshakeResponse {
  protocolVersion: number;
  payload: Uint8Array;
}

export const HandshakeResponse: Codec<HandshakeResponse> = {
  typeName: "arrow.flight.protocol.HandshakeResponse",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.protocolVersion) writer.uint32(8).uint64(message.protocolVersion);
    if (message.payload?.length) writer.uint32(18).bytes(message.payload);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: HandshakeResponse = { protocolVersion: 0, payload: new Uint8Array(0) };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.protocolVersion = integerOf(reader.uint64());
          break;
        case 18:
          message.payload = reader.bytes();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/**
 * The payload of a Handshake with user name and password.
 * arrow.flight.protocol.BasicAuth
 */
export interface BasicAuth {
  username: string;
  password: string;
}

export const BasicAuth: Codec<BasicAuth> = {
  typeName: "arrow.flight.protocol.BasicAuth",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.username) writer.uint32(18).string(message.username);
    if (message.password) writer.uint32(26).string(message.password);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: BasicAuth = { username: "", password: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 18:
          message.username = reader.string();
          break;
        case 26:
          message.password = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** arrow.flight.protocol.Empty */
export interface Empty {}

export const Empty: Codec<Empty> = {
  typeName: "arrow.flight.protocol.Empty",
  encode: () => new Uint8Array(0),
  decode: () => ({}),
};

/** arrow.flight.protocol.ActionType */
export interface ActionType {
  type: string;
  description: string;
}

export const ActionType: Codec<ActionType> = {
  typeName: "arrow.flight.protocol.ActionType",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.type) writer.uint32(10).string(message.type);
    if (message.description) writer.uint32(18).string(message.description);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: ActionType = { type: "", description: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.type = reader.string();
          break;
        case 18:
          message.description = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** arrow.flight.protocol.Criteria */
export interface Criteria {
  expression: Uint8Array;
}

export const Criteria: Codec<Criteria> = {
  typeName: "arrow.flight.protocol.Criteria",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.expression?.length) writer.uint32(10).bytes(message.expression);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: Criteria = { expression: new Uint8Array(0) };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.expression = reader.bytes();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** arrow.flight.protocol.Action */
export interface Action {
  type: string;
  body: Uint8Array;
}

export const Action: Codec<Action> = {
  typeName: "arrow.flight.protocol.Action",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.type) writer.uint32(10).string(message.type);
    if (message.body?.length) writer.uint32(18).bytes(message.body);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: Action = { type: "", body: new Uint8Array(0) };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.type = reader.string();
          break;
        case 18:
          message.body = reader.bytes();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** arrow.flight.protocol.Result */
export interface Result {
  body: Uint8Array;
}

export const Result: Codec<Result> = {
  typeName: "arrow.flight.protocol.Result",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.body?.length) writer.uint32(10).bytes(message.body);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: Result = { body: new Uint8Array(0) };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.body = reader.bytes();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/**
 * Body of the action CancelFlightInfo.
 * arrow.flight.protocol.CancelFlightInfoRequest
 */
export interface CancelFlightInfoRequest {
  info?: FlightInfo;
}

export const CancelFlightInfoRequest: Codec<CancelFlightInfoRequest> = {
  typeName: "arrow.flight.protocol.CancelFlightInfoRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.info !== undefined) writer.uint32(10).bytes(FlightInfo.encode(message.info));
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: CancelFlightInfoRequest = {};
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.info = FlightInfo.decode(reader.bytes());
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** Open, as proto3 enums are: a newer peer may send other numbers. */
export const CancelStatus = {
  CANCEL_STATUS_UNSPECIFIED: 0,
  CANCEL_STATUS_CANCELLED: 1,
  CANCEL_STATUS_CANCELLING: 2,
  CANCEL_STATUS_NOT_CANCELLABLE: 3,
} as const;
export type CancelStatus = (typeof CancelStatus)[keyof typeof CancelStatus];

/** arrow.flight.protocol.CancelFlightInfoResult */
export interface CancelFlightInfoResult {
  status: CancelStatus;
}

export const CancelFlightInfoResult: Codec<CancelFlightInfoResult> = {
  typeName: "arrow.flight.protocol.CancelFlightInfoResult",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.status) writer.uint32(8).int32(message.status);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: CancelFlightInfoResult = { status: 0 };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.status = reader.int32() as CancelStatus;
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/**
 * Body of the action RenewFlightEndpoint; its result is a FlightEndpoint.
 * arrow.flight.protocol.RenewFlightEndpointRequest
 */
export interface RenewFlightEndpointRequest {
  endpoint?: FlightEndpoint;
}

export const RenewFlightEndpointRequest: Codec<RenewFlightEndpointRequest> = {
  typeName: "arrow.flight.protocol.RenewFlightEndpointRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.endpoint !== undefined) writer.uint32(10).bytes(FlightEndpoint.encode(message.endpoint));
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: RenewFlightEndpointRequest = {};
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.endpoint = FlightEndpoint.decode(reader.bytes());
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** arrow.flight.protocol.SchemaResult */
export interface SchemaResult {
  /** An encapsulated IPC schema message: 0xffffffff, its length, the flatbuffer. */
  schema: Uint8Array;
}

export const SchemaResult: Codec<SchemaResult> = {
  typeName: "arrow.flight.protocol.SchemaResult",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.schema?.length) writer.uint32(10).bytes(message.schema);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: SchemaResult = { schema: new Uint8Array(0) };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.schema = reader.bytes();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** arrow.flight.protocol.FlightDescriptor */
export interface FlightDescriptor {
  type: FlightDescriptor_DescriptorType;
  /** Set where type is CMD. */
  cmd: Uint8Array;
  /** Set where type is PATH. */
  path: string[];
}

export const FlightDescriptor: Codec<FlightDescriptor> = {
  typeName: "arrow.flight.protocol.FlightDescriptor",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.type) writer.uint32(8).int32(message.type);
    if (message.cmd?.length) writer.uint32(18).bytes(message.cmd);
    for (const value of message.path ?? []) writer.uint32(26).string(value);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: FlightDescriptor = { type: 0, cmd: new Uint8Array(0), path: [] };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.type = reader.int32() as FlightDescriptor_DescriptorType;
          break;
        case 18:
          message.cmd = reader.bytes();
          break;
        case 26:
          message.path.push(reader.string());
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** Open, as proto3 enums are: a newer peer may send other numbers. */
export const FlightDescriptor_DescriptorType = {
  UNKNOWN: 0,
  PATH: 1,
  CMD: 2,
} as const;
export type FlightDescriptor_DescriptorType = (typeof FlightDescriptor_DescriptorType)[keyof typeof FlightDescriptor_DescriptorType];

/** arrow.flight.protocol.FlightInfo */
export interface FlightInfo {
  /** As in SchemaResult. */
  schema: Uint8Array;
  flightDescriptor?: FlightDescriptor;
  endpoint: FlightEndpoint[];
  /** -1 = unknown. */
  totalRecords: number;
  /** -1 = unknown. */
  totalBytes: number;
  /** True where the rows are in order when the endpoints are read in the order given. */
  ordered: boolean;
  appMetadata: Uint8Array;
}

export const FlightInfo: Codec<FlightInfo> = {
  typeName: "arrow.flight.protocol.FlightInfo",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.schema?.length) writer.uint32(10).bytes(message.schema);
    if (message.flightDescriptor !== undefined) writer.uint32(18).bytes(FlightDescriptor.encode(message.flightDescriptor));
    for (const value of message.endpoint ?? []) writer.uint32(26).bytes(FlightEndpoint.encode(value));
    if (message.totalRecords) writer.uint32(32).int64(message.totalRecords);
    if (message.totalBytes) writer.uint32(40).int64(message.totalBytes);
    if (message.ordered) writer.uint32(48).bool(message.ordered);
    if (message.appMetadata?.length) writer.uint32(58).bytes(message.appMetadata);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: FlightInfo = { schema: new Uint8Array(0), endpoint: [], totalRecords: 0, totalBytes: 0, ordered: false, appMetadata: new Uint8Array(0) };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.schema = reader.bytes();
          break;
        case 18:
          message.flightDescriptor = FlightDescriptor.decode(reader.bytes());
          break;
        case 26:
          message.endpoint.push(FlightEndpoint.decode(reader.bytes()));
          break;
        case 32:
          message.totalRecords = integerOf(reader.int64());
          break;
        case 40:
          message.totalBytes = integerOf(reader.int64());
          break;
        case 48:
          message.ordered = reader.bool();
          break;
        case 58:
          message.appMetadata = reader.bytes();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** arrow.flight.protocol.PollInfo */
export interface PollInfo {
  /** What can be read so far. */
  info?: FlightInfo;
  /** What to ask with next; absent = complete. */
  flightDescriptor?: FlightDescriptor;
  /** 0.0 to 1.0, where it is known. */
  progress?: number;
  expirationTime?: Timestamp;
}

export const PollInfo: Codec<PollInfo> = {
  typeName: "arrow.flight.protocol.PollInfo",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.info !== undefined) writer.uint32(10).bytes(FlightInfo.encode(message.info));
    if (message.flightDescriptor !== undefined) writer.uint32(18).bytes(FlightDescriptor.encode(message.flightDescriptor));
    if (message.progress !== undefined) writer.uint32(25).double(message.progress);
    if (message.expirationTime !== undefined) writer.uint32(34).bytes(Timestamp.encode(message.expirationTime));
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: PollInfo = {};
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.info = FlightInfo.decode(reader.bytes());
          break;
        case 18:
          message.flightDescriptor = FlightDescriptor.decode(reader.bytes());
          break;
        case 25:
          message.progress = reader.double();
          break;
        case 34:
          message.expirationTime = Timestamp.decode(reader.bytes());
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** arrow.flight.protocol.FlightEndpoint */
export interface FlightEndpoint {
  ticket?: Ticket;
  /** None = the server that answered. */
  location: Location[];
  expirationTime?: Timestamp;
  appMetadata: Uint8Array;
}

export const FlightEndpoint: Codec<FlightEndpoint> = {
  typeName: "arrow.flight.protocol.FlightEndpoint",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.ticket !== undefined) writer.uint32(10).bytes(Ticket.encode(message.ticket));
    for (const value of message.location ?? []) writer.uint32(18).bytes(Location.encode(value));
    if (message.expirationTime !== undefined) writer.uint32(26).bytes(Timestamp.encode(message.expirationTime));
    if (message.appMetadata?.length) writer.uint32(34).bytes(message.appMetadata);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: FlightEndpoint = { location: [], appMetadata: new Uint8Array(0) };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.ticket = Ticket.decode(reader.bytes());
          break;
        case 18:
          message.location.push(Location.decode(reader.bytes()));
          break;
        case 26:
          message.expirationTime = Timestamp.decode(reader.bytes());
          break;
        case 34:
          message.appMetadata = reader.bytes();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** arrow.flight.protocol.Location */
export interface Location {
  uri: string;
}

export const Location: Codec<Location> = {
  typeName: "arrow.flight.protocol.Location",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.uri) writer.uint32(10).string(message.uri);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: Location = { uri: "" };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.uri = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** arrow.flight.protocol.Ticket */
export interface Ticket {
  ticket: Uint8Array;
}

export const Ticket: Codec<Ticket> = {
  typeName: "arrow.flight.protocol.Ticket",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.ticket?.length) writer.uint32(10).bytes(message.ticket);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: Ticket = { ticket: new Uint8Array(0) };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.ticket = reader.bytes();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** arrow.flight.protocol.FlightData */
export interface FlightData {
  /** In the first message of DoPut and DoExchange. */
  flightDescriptor?: FlightDescriptor;
  /** The flatbuffer of an IPC message, without the encapsulation. */
  dataHeader: Uint8Array;
  appMetadata: Uint8Array;
  /** The body of that IPC message. */
  dataBody: Uint8Array;
}

export const FlightData: Codec<FlightData> = {
  typeName: "arrow.flight.protocol.FlightData",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.flightDescriptor !== undefined) writer.uint32(10).bytes(FlightDescriptor.encode(message.flightDescriptor));
    if (message.dataHeader?.length) writer.uint32(18).bytes(message.dataHeader);
    if (message.appMetadata?.length) writer.uint32(26).bytes(message.appMetadata);
    if (message.dataBody?.length) writer.uint32(8002).bytes(message.dataBody);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: FlightData = { dataHeader: new Uint8Array(0), appMetadata: new Uint8Array(0), dataBody: new Uint8Array(0) };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.flightDescriptor = FlightDescriptor.decode(reader.bytes());
          break;
        case 18:
          message.dataHeader = reader.bytes();
          break;
        case 26:
          message.appMetadata = reader.bytes();
          break;
        case 8002:
          message.dataBody = reader.bytes();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** arrow.flight.protocol.PutResult */
export interface PutResult {
  appMetadata: Uint8Array;
}

export const PutResult: Codec<PutResult> = {
  typeName: "arrow.flight.protocol.PutResult",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.appMetadata?.length) writer.uint32(10).bytes(message.appMetadata);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: PutResult = { appMetadata: new Uint8Array(0) };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.appMetadata = reader.bytes();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** arrow.flight.protocol.SessionOptionValue */
export interface SessionOptionValue {
  stringValue?: string;
  boolValue?: boolean;
  int64Value?: string;
  doubleValue?: number;
  stringListValue?: SessionOptionValue_StringListValue;
}

export const SessionOptionValue: Codec<SessionOptionValue> = {
  typeName: "arrow.flight.protocol.SessionOptionValue",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.stringValue !== undefined) writer.uint32(10).string(message.stringValue);
    if (message.boolValue !== undefined) writer.uint32(16).bool(message.boolValue);
    if (message.int64Value !== undefined) writer.uint32(25).sfixed64(message.int64Value);
    if (message.doubleValue !== undefined) writer.uint32(33).double(message.doubleValue);
    if (message.stringListValue !== undefined) writer.uint32(42).bytes(SessionOptionValue_StringListValue.encode(message.stringListValue));
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: SessionOptionValue = {};
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          delete message.boolValue;
          delete message.int64Value;
          delete message.doubleValue;
          delete message.stringListValue;
          message.stringValue = reader.string();
          break;
        case 16:
          delete message.stringValue;
          delete message.int64Value;
          delete message.doubleValue;
          delete message.stringListValue;
          message.boolValue = reader.bool();
          break;
        case 25:
          delete message.stringValue;
          delete message.boolValue;
          delete message.doubleValue;
          delete message.stringListValue;
          message.int64Value = String(reader.sfixed64());
          break;
        case 33:
          delete message.stringValue;
          delete message.boolValue;
          delete message.int64Value;
          delete message.stringListValue;
          message.doubleValue = reader.double();
          break;
        case 42:
          delete message.stringValue;
          delete message.boolValue;
          delete message.int64Value;
          delete message.doubleValue;
          message.stringListValue = SessionOptionValue_StringListValue.decode(reader.bytes());
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** arrow.flight.protocol.SessionOptionValue.StringListValue */
export interface SessionOptionValue_StringListValue {
  values: string[];
}

export const SessionOptionValue_StringListValue: Codec<SessionOptionValue_StringListValue> = {
  typeName: "arrow.flight.protocol.SessionOptionValue.StringListValue",
  encode(message) {
    const writer = protobuf.Writer.create();
    for (const value of message.values ?? []) writer.uint32(10).string(value);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: SessionOptionValue_StringListValue = { values: [] };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10:
          message.values.push(reader.string());
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/**
 * Body of the action SetSessionOptions.
 * arrow.flight.protocol.SetSessionOptionsRequest
 */
export interface SetSessionOptionsRequest {
  /** A value with nothing set removes the option. */
  sessionOptions: Map<string, SessionOptionValue>;
}

export const SetSessionOptionsRequest: Codec<SetSessionOptionsRequest> = {
  typeName: "arrow.flight.protocol.SetSessionOptionsRequest",
  encode(message) {
    const writer = protobuf.Writer.create();
    for (const [key, value] of message.sessionOptions ?? []) {
      writer.uint32(10).fork().uint32(10).string(key).uint32(18).bytes(SessionOptionValue.encode(value)).ldelim();
    }
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: SetSessionOptionsRequest = { sessionOptions: new Map() };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10: {
          const entry = protobuf.Reader.create(reader.bytes());
          let key: string = "";
          let value: SessionOptionValue = SessionOptionValue.decode(new Uint8Array(0));
          while (entry.pos < entry.len) {
            const entryTag = entry.tag();
            if (entryTag === 10) key = entry.string();
            else if (entryTag === 18) value = SessionOptionValue.decode(entry.bytes());
            else entry.skipType(entryTag & 7, 0, entryTag >>> 3);
          }
          message.sessionOptions.set(key, value);
          break;
        }
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** arrow.flight.protocol.SetSessionOptionsResult */
export interface SetSessionOptionsResult {
  /** The options that were not set, and why. */
  errors: Map<string, SetSessionOptionsResult_Error>;
}

export const SetSessionOptionsResult: Codec<SetSessionOptionsResult> = {
  typeName: "arrow.flight.protocol.SetSessionOptionsResult",
  encode(message) {
    const writer = protobuf.Writer.create();
    for (const [key, value] of message.errors ?? []) {
      writer.uint32(10).fork().uint32(10).string(key).uint32(18).bytes(SetSessionOptionsResult_Error.encode(value)).ldelim();
    }
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: SetSessionOptionsResult = { errors: new Map() };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10: {
          const entry = protobuf.Reader.create(reader.bytes());
          let key: string = "";
          let value: SetSessionOptionsResult_Error = SetSessionOptionsResult_Error.decode(new Uint8Array(0));
          while (entry.pos < entry.len) {
            const entryTag = entry.tag();
            if (entryTag === 10) key = entry.string();
            else if (entryTag === 18) value = SetSessionOptionsResult_Error.decode(entry.bytes());
            else entry.skipType(entryTag & 7, 0, entryTag >>> 3);
          }
          message.errors.set(key, value);
          break;
        }
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** Open, as proto3 enums are: a newer peer may send other numbers. */
export const SetSessionOptionsResult_ErrorValue = {
  UNSPECIFIED: 0,
  INVALID_NAME: 1,
  INVALID_VALUE: 2,
  ERROR: 3,
} as const;
export type SetSessionOptionsResult_ErrorValue = (typeof SetSessionOptionsResult_ErrorValue)[keyof typeof SetSessionOptionsResult_ErrorValue];

/** arrow.flight.protocol.SetSessionOptionsResult.Error */
export interface SetSessionOptionsResult_Error {
  value: SetSessionOptionsResult_ErrorValue;
}

export const SetSessionOptionsResult_Error: Codec<SetSessionOptionsResult_Error> = {
  typeName: "arrow.flight.protocol.SetSessionOptionsResult.Error",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.value) writer.uint32(8).int32(message.value);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: SetSessionOptionsResult_Error = { value: 0 };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.value = reader.int32() as SetSessionOptionsResult_ErrorValue;
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/**
 * Body of the action GetSessionOptions.
 * arrow.flight.protocol.GetSessionOptionsRequest
 */
export interface GetSessionOptionsRequest {}

export const GetSessionOptionsRequest: Codec<GetSessionOptionsRequest> = {
  typeName: "arrow.flight.protocol.GetSessionOptionsRequest",
  encode: () => new Uint8Array(0),
  decode: () => ({}),
};

/** arrow.flight.protocol.GetSessionOptionsResult */
export interface GetSessionOptionsResult {
  sessionOptions: Map<string, SessionOptionValue>;
}

export const GetSessionOptionsResult: Codec<GetSessionOptionsResult> = {
  typeName: "arrow.flight.protocol.GetSessionOptionsResult",
  encode(message) {
    const writer = protobuf.Writer.create();
    for (const [key, value] of message.sessionOptions ?? []) {
      writer.uint32(10).fork().uint32(10).string(key).uint32(18).bytes(SessionOptionValue.encode(value)).ldelim();
    }
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: GetSessionOptionsResult = { sessionOptions: new Map() };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 10: {
          const entry = protobuf.Reader.create(reader.bytes());
          let key: string = "";
          let value: SessionOptionValue = SessionOptionValue.decode(new Uint8Array(0));
          while (entry.pos < entry.len) {
            const entryTag = entry.tag();
            if (entryTag === 10) key = entry.string();
            else if (entryTag === 18) value = SessionOptionValue.decode(entry.bytes());
            else entry.skipType(entryTag & 7, 0, entryTag >>> 3);
          }
          message.sessionOptions.set(key, value);
          break;
        }
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/**
 * Body of the action CloseSession.
 * arrow.flight.protocol.CloseSessionRequest
 */
export interface CloseSessionRequest {}

export const CloseSessionRequest: Codec<CloseSessionRequest> = {
  typeName: "arrow.flight.protocol.CloseSessionRequest",
  encode: () => new Uint8Array(0),
  decode: () => ({}),
};

/** arrow.flight.protocol.CloseSessionResult */
export interface CloseSessionResult {
  status: CloseSessionResult_Status;
}

export const CloseSessionResult: Codec<CloseSessionResult> = {
  typeName: "arrow.flight.protocol.CloseSessionResult",
  encode(message) {
    const writer = protobuf.Writer.create();
    if (message.status) writer.uint32(8).int32(message.status);
    return writer.finish();
  },
  decode(bytes) {
    const reader = protobuf.Reader.create(bytes);
    const message: CloseSessionResult = { status: 0 };
    while (reader.pos < reader.len) {
      const tag = reader.tag();
      switch (tag) {
        case 8:
          message.status = reader.int32() as CloseSessionResult_Status;
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
    return message;
  },
};

/** Open, as proto3 enums are: a newer peer may send other numbers. */
export const CloseSessionResult_Status = {
  UNSPECIFIED: 0,
  CLOSED: 1,
  CLOSING: 2,
  NOT_CLOSEABLE: 3,
} as const;
export type CloseSessionResult_Status = (typeof CloseSessionResult_Status)[keyof typeof CloseSessionResult_Status];

/** arrow.flight.protocol.FlightService */
export const FlightService = {
  typeName: "arrow.flight.protocol.FlightService",
  methods: {
    /** Exchanges opaque credentials for an opaque token, in as many steps as the scheme needs. */
    handshake: { name: "Handshake", kind: "bidi", request: HandshakeRequest, response: HandshakeResponse },
    /** The flights that can be read now and match the criteria. */
    listFlights: { name: "ListFlights", kind: "serverStream", request: Criteria, response: FlightInfo },
    /** How to read what the descriptor names: schema, endpoints, tickets. */
    getFlightInfo: { name: "GetFlightInfo", kind: "unary", request: FlightDescriptor, response: FlightInfo },
    /** The same for a flight that takes long to prepare: asked again with the returned descriptor until it is complete. */
    pollFlightInfo: { name: "PollFlightInfo", kind: "unary", request: FlightDescriptor, response: PollInfo },
    /** The schema alone. */
    getSchema: { name: "GetSchema", kind: "unary", request: FlightDescriptor, response: SchemaResult },
    /** The record batches behind a ticket. */
    doGet: { name: "DoGet", kind: "serverStream", request: Ticket, response: FlightData },
    doPut: { name: "DoPut", kind: "bidi", request: FlightData, response: PutResult },
    doExchange: { name: "DoExchange", kind: "bidi", request: FlightData, response: FlightData },
    /** A named action beside reading and writing; ListActions names them. */
    doAction: { name: "DoAction", kind: "serverStream", request: Action, response: Result },
    listActions: { name: "ListActions", kind: "serverStream", request: Empty, response: ActionType },
  },
} as const satisfies ServiceType;
