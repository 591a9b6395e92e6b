/** What Slack takes at most. From its reference of blocks and composition objects, except where a line says otherwise. */
export const LIMITS = {
  blocks: 50,
  section: 3000,
  fields: 10,
  field: 2000,
  header: 150,
  contextElements: 10,
  buttonsPerBlock: 25,
  buttonText: 75,
  buttonValue: 2000,
  actionId: 255,
  confirmTitle: 100,
  confirmText: 300,
  confirmButton: 30,
  tableRows: 100,
  tableColumns: 20,
  tableCell: 2000,
  /** Characters of all cells together are limited too (10,000); some stay free. */
  tableCharacters: 9000,
  /** Slack refuses a second one (`only_one_table_allowed`). */
  tablesPerMessage: 1,
  planTasks: 50,
  alt: 2000,
  url: 3000,
  /** All text of one message. Written down nowhere for blocks together; Slack was seen to refuse 11,341 spread over them. */
  message: 10_000,
  /** Messages that one of ours may become before the rest is attached as a file. Our own. */
  messages: 5,
  modalTitle: 24,
  modalBlocks: 100,
  options: 100,
  optionText: 75,
  optionValue: 150,
  inputLabel: 2000,
  inputHint: 2000,
  inputValue: 3000,
  privateMetadata: 3000,
} as const
