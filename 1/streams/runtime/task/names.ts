/** The group of a topology: its cursors are the only ones that count [W2]. */
export const groupOf = (app: string, topology: string): string => `${app}.${topology}`
