/** Writes tar archives as no honest program would. */

const BLOCK = 512;

export interface TarEntry {
  name: string | Buffer;
  /** Type flag. Default `'0'`, a file; `'5'` is a directory, `'2'` a symbolic and `'1'` a hard link. */
  type?: string;
  content?: string | Buffer;
  /** What the header says, where that is not the size of the content. */
  size?: number;
  mode?: number;
  /** Seconds. */
  mtime?: number;
  link?: string;
  /** Default `'ustar'`; `'none'` is the form before there was a magic number. */
  magic?: 'ustar' | 'gnu' | 'none';
  /** A pax header before it. */
  pax?: Readonly<Record<string, string>>;
  /** Written over the finished header. */
  patch?: (header: Buffer) => void;
}

const MAGIC = { ustar: 'ustar\x0000', gnu: 'ustar  \0', none: '\0\0\0\0\0\0\0\0' };

function header(entry: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.set(Buffer.from(entry.name).subarray(0, 100), 0);
  const octal = (value: number, at: number, length: number): void => {
    block.write(value.toString(8).padStart(length - 1, '0'), at);
  };
  octal(entry.mode ?? 0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(entry.mtime ?? 1_000_000_000, 136, 12);
  block.write(entry.type ?? '0', 156, 'latin1');
  block.write(entry.link ?? '', 157, 100);
  block.write(MAGIC[entry.magic ?? 'ustar'], 257, 'latin1');
  entry.patch?.(block);
  block.write('        ', 148);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]);
}

function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(rest) + 1;
  while (String(length).length + Buffer.byteLength(rest) !== length) {
    length = String(length).length + Buffer.byteLength(rest);
  }
  return `${String(length)}${rest}`;
}

export function tarEntry(entry: TarEntry): Buffer {
  const content = Buffer.from(entry.content ?? '');
  const before =
    entry.pax === undefined
      ? []
      : [
          tarEntry({
            name: 'pax',
            type: 'x',
            content: Object.entries(entry.pax)
              .map(([key, value]) => paxRecord(key, value))
              .join(''),
          }),
        ];
  return Buffer.concat([...before, header(entry, entry.size ?? content.length), padded(content)]);
}

/** The two zero blocks at the end. */
export const TAR_END: Buffer = Buffer.alloc(2 * BLOCK);

export function tar(...entries: TarEntry[]): Buffer {
  return Buffer.concat([...entries.map(tarEntry), TAR_END]);
}

/** A name longer than the header has room for, as GNU tar writes it. */
export function gnuLong(kind: 'L' | 'K', text: string): Buffer {
  return tarEntry({ name: '././@LongLink', type: kind, content: `${text}\0`, magic: 'gnu' });
}
