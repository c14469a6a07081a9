// Writes policy.schema.json, the JSON Schema of a policy file, from the schema that validates policies and the documentation of its types.
// --check compares instead of writing.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import ts from 'typescript';
import { toJSONSchema } from 'zod/mini';

import { loadLibrary } from './load-library.mjs';
import { writeGenerated } from './write-generated.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const library = path.join(root, 'lib');

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

const { policyFileSchema, jsonForms } = await loadLibrary(
  ['errors.ts', 'policy', 'util'],
  ['policy/schema.js', 'policy/schema-parts.js'],
);
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
