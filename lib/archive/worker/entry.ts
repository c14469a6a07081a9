/** What both kinds of archive say of an entry before its content. */

export interface EntryHead {
  /** As in the archive; only decoded. */
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'symlink' | 'hardlink' | 'other';
  /** Of `other`: what it is, with its article. */
  readonly what?: string;
  /** Bytes, unpacked. */
  readonly size: number;
  /** Permission and set-id bits; null where the archive has none. */
  readonly mode: number | null;
  /** Milliseconds since 1970. */
  readonly mtime: number | null;
  /** It has file capabilities (capabilities(7)). */
  readonly privileged?: boolean;
  /** Of links, only decoded. */
  readonly target?: string;
}

/** Where the content of a file goes. */
export interface FileOutput {
  write(chunk: Uint8Array): void;
  /** All of it was written, and it was the right one. */
  end(): void;
}

/** What is done with entries. */
export interface EntrySink {
  /** Null: the content is not wanted. */
  begin(head: EntryHead): FileOutput | null;
  /** After the last entry. */
  finish(): void;
}
