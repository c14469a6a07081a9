/** Tar: ustar, pax, GNU, and the form before those. */

import type { Budget } from './budget.js';
import type { EntryHead, EntrySink } from './entry.js';
import { damaged, Refusal } from './refusal.js';
import { type TarEntry, TarParser } from './tar-parser.js';

const MODE_BITS = 0o7777;
/** Milliseconds on both sides of 1970 that any file system's time can hold. */
const FARTHEST_TIME = 8.64e15;

/** Of a file, as an extended attribute in a pax header. */
const CAPABILITIES = 'SCHILY.xattr.security.capability';

const OTHER_KINDS: Readonly<Record<string, string>> = {
  'character-device': 'a character device',
  'block-device': 'a block device',
  fifo: 'a fifo',
};

const WITHOUT_CONTENT: readonly string[] = ['directory', 'symlink', 'link', 'character-device', 'block-device', 'fifo'];

export async function readTar(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  sink: EntrySink,
  budget: Budget,
  progress: () => void,
): Promise<void> {
  const parser = new TarParser((entry) => {
    const head = readHeader(entry);
    budget.entry(head.name, head.kind === 'file' ? head.size : 0);
    return sink.begin(head);
  });
  for await (const chunk of chunks) {
    budget.unpacked(chunk.length);
    parser.write(chunk);
    progress();
  }
  parser.end();
}

function readHeader(header: TarEntry): EntryHead {
  const { name, type, size, mode, linkname, pax } = header;
  if (Object.keys(pax).some((key) => key.startsWith('GNU.sparse.'))) {
    throw new Refusal('unsupported', 'is a sparse file, which is not supported', name);
  }
  if (!isCount(mode)) {
    throw damaged('has a header with numbers that are none', name);
  }
  // Programs differ in whether content follows there: what one takes for it, the next takes for further entries.
  if (size > 0 && type !== null && WITHOUT_CONTENT.includes(type)) {
    throw damaged(`is ${type === 'directory' ? 'a directory' : 'a link or device'} with content`, name);
  }
  const common = { name, size, mode: mode & MODE_BITS, mtime: timeOf(pax['mtime'], header.mtime) };
  switch (type) {
    case 'file':
    case 'contiguous-file':
      return { ...fileOrDirectory(common), privileged: CAPABILITIES in pax };
    case 'directory':
      return { ...common, size: 0, kind: 'directory' };
    case 'symlink':
      return { ...common, mode: null, kind: 'symlink', target: linkname ?? '' };
    case 'link':
      return { ...common, mode: null, kind: 'hardlink', target: linkname ?? '' };
    case 'character-device':
    case 'block-device':
    case 'fifo':
      return { ...common, kind: 'other', what: OTHER_KINDS[type] ?? '' };
    default:
      // Among them the sparse files of old GNU tar, whose map has blocks that no size counts: what follows could not be told from content.
      throw new Refusal(
        'unsupported',
        'is of a type that is not supported, such as a sparse file or a volume label',
        name,
      );
  }
}

/** Before there was a type for directories, the slash told. */
function fileOrDirectory(common: Omit<EntryHead, 'kind'>): EntryHead {
  if (!common.name.endsWith('/')) {
    return { ...common, kind: 'file' };
  }
  if (common.size > 0) {
    throw damaged('is a directory with content', common.name);
  }
  return { ...common, kind: 'directory' };
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** pax(1) has fractions of seconds, as text. */
function timeOf(pax: string | undefined, header: Date): number | null {
  const time = pax === undefined ? header.getTime() : Math.round(Number(pax) * 1000);
  return Math.abs(time) <= FARTHEST_TIME ? time : null;
}
