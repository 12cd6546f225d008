/** What a change did to an entry. */

/** As the column change_type spells it. */
export type ChangeType = "created" | "updated" | "removed" | "restored" | "evicted";
