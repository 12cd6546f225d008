/** Shared memory by which the data-plane thread shows that its event loop takes turns. One writer, any reader. */

export const BEAT_MS = 250; // a twentieth of the silence that counts

/** A counter in shared memory (4 bytes) that the thread raises every BEAT_MS. */
export class Heartbeat {
  private readonly beats: Int32Array;

  constructor(readonly memory: SharedArrayBuffer) {
    this.beats = new Int32Array(memory);
  }

  static create(): Heartbeat {
    return new Heartbeat(new SharedArrayBuffer(4));
  }

  beat(): void {
    Atomics.add(this.beats, 0, 1);
  }

  /** How often it has beaten, modulo 2^32: tells whether it has since the last look. */
  get count(): number {
    return Atomics.load(this.beats, 0);
  }
}
