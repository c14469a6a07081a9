// Writes policy.schema.json, the JSON Schema of a policy file, from the schema that validates policies and the documentation of its types.
// --check compares instead of writing.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import ts from 'typescript';
import { toJSONSchema } from 'zod/mini';

import { writeGenerated } from './write-generated.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const library = path.join(root, 'lib');

/** The parts of lib/ that the schema needs, as JavaScript, in a directory from which the dependencies can be found. */
async function loadSchema() {
  const cache = path.join(root, 'node_modules', '.cache');
  mkdirSync(cache, { recursive: true });
  const output = mkdtempSync(path.join(cache, 'policy-schema-'));
  try {
    writeFileSync(path.join(output, 'package.json'), '{"type":"module"}');
    for (const file of ['errors.ts', ...typescriptOf('policy'), ...typescriptOf('util')]) {
      transpile(file, output);
    }
    const load = (file) => import(pathToFileURL(path.join(output, file)).href);
    const { policyFileSchema } = await load('policy/schema.js');
    const { jsonForms } = await load('policy/schema-parts.js');
    return { policyFileSchema, jsonForms };
  } finally {
    rmSync(output, { recursive: true });
  }
}

function typescriptOf(folder) {
  return readdirSync(path.join(library, folder))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`);
}

function transpile(file, output) {
  const { outputText } = ts.transpileModule(readFileSync(path.join(library, file), 'utf8'), {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
  });
  const target = path.join(output, file.replace(/\.ts$/, '.js'));
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, outputText);
}

/** What the documentation comments say of the members of an interface in lib/policy/types.ts. */
function describeMembers(interfaceName) {
  const file = path.join(library, 'policy', 'types.ts');
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.ES2022, true);
  const declaration = source.statements.find(
    (node) => ts.isInterfaceDeclaration(node) && node.name.text === interfaceName,
  );
  return declaration.members.flatMap((member) => {
    const comment = ts.getTextOfJSDocComment(ts.getJSDocCommentsAndTags(member)[0]?.comment);
    return comment === undefined ? [] : [[member.name.text, comment.replace(/\s+/g, ' ')]];
  });
}

function addDescriptions(properties, interfaceName) {
  for (const [name, description] of describeMembers(interfaceName)) {
    if (Object.hasOwn(properties, name)) {
      properties[name] = { description, ...properties[name] };
    }
  }
}

const { policyFileSchema, jsonForms } = await loadSchema();
const schema = toJSONSchema(policyFileSchema, {
  io: 'input',
  unrepresentable: 'any',
  override: ({ zodSchema, jsonSchema }) => {
    Object.assign(jsonSchema, jsonForms.get(zodSchema));
  },
});
addDescriptions(schema.properties, 'RestrictionPolicy');
addDescriptions(schema.properties, 'IsolationPolicy');
addDescriptions(schema.properties.limits.properties, 'Limits');
schema.properties = { $schema: { type: 'string' }, ...schema.properties };
writeGenerated('policy.schema.json', `${JSON.stringify({ ...schema, title: 'Policy of cloister' }, null, 2)}\n`);
