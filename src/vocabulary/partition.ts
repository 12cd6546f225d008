/** One of the parts that a session is shared out to. */

/** Of `count` partitions the one numbered `index`, from 0: contracts by `shardHash`, as a filter's shard. */
export interface Partition {
  index: number;
  count: number;
}
