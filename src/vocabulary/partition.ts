/** One of the parts that a session is shared out to. */

/** The partition numbered `index`, from 0, of `count`: contracts by `shardHash`, as a filter's shard. */
export interface Partition {
  index: number;
  count: number;
}
