/** How the place of an issue is written. */

export type PathPart = string | number | symbol;

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/** As JavaScript would: `mounts[0].target`, `unveil["/srv/data"]`. */
export function formatPath(parts: readonly PathPart[]): string {
  let text = '';
  for (const part of parts) {
    if (typeof part === 'number') {
      text += `[${String(part)}]`;
    } else if (typeof part === 'symbol') {
      text += `[${String(part)}]`;
    } else if (IDENTIFIER.test(part)) {
      text += text === '' ? part : `.${part}`;
    } else {
      text += `[${JSON.stringify(part)}]`;
    }
  }
  return text;
}
