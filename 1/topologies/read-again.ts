/**
 * Whether this record is the one that was read at a position that a row remembers. A position names
 * a record of one topic: when the topic was made again, or its end was lost, another record lies
 * there. That one is above the mark, and so it is no replay (fault R2).
 */
export const isReadAgain = (
  { replayed, position }: { readonly replayed: boolean; readonly position: string },
  known: string | undefined,
): boolean => replayed && position === known
