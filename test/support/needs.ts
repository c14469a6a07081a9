/**
 * What the suites need of the kernel, by file and title; a title is that of the test with those of its groups before it. Features are named as
 * features-setup.ts finds them. What is not listed here has to hold, one way or the other, on every machine of test/matrix.
 */

interface Need {
  /** Beginning of the file's name below test/. */
  file: string;
  title?: RegExp;
  needs: readonly string[];
}

const NEEDS: readonly Need[] = [
  { file: 'integration/10.', needs: ['landlock:1'] },
  { file: 'integration/11.', title: /unveil|file|Landlock/iu, needs: ['landlock:1'] },
  { file: 'integration/12.', title: /tcp|port/iu, needs: ['landlock:4'] },
  { file: 'integration/14.', title: /other processes by .proc|temporary files|beside unveil/iu, needs: ['landlock:2'] },
  { file: 'integration/2', needs: ['cells'] },
  { file: 'integration/30.', needs: ['namespaces'] },
  { file: 'integration/32.', needs: ['namespaces', 'overlay'] },
  { file: 'escape/mounts-and-namespaces', needs: ['namespaces'] },
];

export function needsOf(file: string, title: string): string[] {
  const name = file.replace(/^.*?test\//u, '');
  const matching = NEEDS.filter((need) => name.startsWith(need.file) && (need.title?.test(title) ?? true));
  return [...new Set(matching.flatMap(({ needs }) => needs))];
}
