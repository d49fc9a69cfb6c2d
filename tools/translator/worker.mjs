// A worker that translates CQL to ELM: one JSON request a line in, one JSON answer a line out.
//
//   {"cql": "...", "libraries": {"Name": "library Name version ..."}, "models": {"QICore|6.0.0": "<modelInfo .../>"}}
//   {"elm": {...}} | {"errors": [{"library", "line", "character", "syntax", "message"}]}
//
//   {"source": "FHIRHelpers"}
//   {"cql": "library FHIRHelpers version '4.0.1' ..."}
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { SystemModelInfoProvider } from "@cqframework/cql/cql";
import {
  CqlCompilerOptions,
  CqlTranslator,
  LibraryBuilder,
  LibraryManager,
  ModelManager,
  createLibrarySourceProvider,
  createModelInfoProvider,
  createUcumService,
  stringAsSource,
} from "@cqframework/cql/cql-to-elm";

const read = (url) => readFileSync(new URL(url), "utf8");
const FHIR = read(import.meta.resolve("cql-exec-fhir/lib/modelInfos/fhir-modelinfo-4.0.1.xml"));
const BUILT_IN = { FHIRHelpers: fhirHelpers() };
const MANAGERS_KEPT = 8;

// The conversions of structured types are written by hand; those of primitives all read alike.
function fhirHelpers() {
  const written = read(new URL("FHIRHelpers.cql", import.meta.url));
  const conversions = FHIR.matchAll(/functionName="FHIRHelpers\.(\w+)" fromType="FHIR\.([\w.]+)" toType="System\.\w+"/g);
  const plain = [...conversions]
    .filter(([, name]) => !["ToCode", "ToConcept", "ToQuantity", "ToRatio"].includes(name))
    .map(([, name, type]) => `define function ${name}(value FHIR."${type}"): value.value`);
  return [written, ...plain.sort(), ""].join("\n");
}

// The options of published measures, so that ours read like theirs.
function options() {
  const { Options } = CqlCompilerOptions;
  const chosen = new CqlCompilerOptions();
  chosen.setOptions([
    Options.EnableAnnotations,
    Options.EnableLocators,
    Options.EnableResultTypes,
    Options.EnableDetailedErrors,
    Options.DisableListDemotion,
    Options.DisableListPromotion,
  ]);
  return chosen.withSignatureLevel(LibraryBuilder.SignatureLevel.Overloads);
}

// Units are taken as they are: the engine checks them when it compiles the ELM.
const noArithmetic = () => { throw new Error("no unit arithmetic while translating"); };
const ucum = createUcumService(noArithmetic, () => null, noArithmetic, noArithmetic);

function manager(libraries, models) {
  const modelManager = new ModelManager();
  modelManager.modelInfoLoader.registerModelInfoProvider(new SystemModelInfoProvider());
  modelManager.modelInfoLoader.registerModelInfoProvider(createModelInfoProvider((name, _system, version) => {
    const given = models[`${name}|${version}`] ?? models[name];
    const xml = given ?? (name === "FHIR" && (version ?? "4.0.1") === "4.0.1" ? FHIR : null);
    return xml === null ? null : stringAsSource(xml);
  }));
  const made = new LibraryManager(modelManager, options(), undefined, ucum);
  made.librarySourceLoader.registerProvider(createLibrarySourceProvider((name) => {
    const cql = libraries[name] ?? BUILT_IN[name];
    return cql === undefined ? null : stringAsSource(cql);
  }));
  return made;
}

// Loading a model and translating FHIRHelpers take longer than most libraries: keep what was loaded.
const managers = new Map();
function managerFor(libraries, models) {
  const key = JSON.stringify([libraries, models]);
  const kept = managers.get(key) ?? manager(libraries, models);
  managers.delete(key);
  managers.set(key, kept);
  if (managers.size > MANAGERS_KEPT) managers.delete(managers.keys().next().value);
  return kept;
}

function errorsOf(elm) {
  return (elm.library.annotation ?? [])
    .filter((note) => note.type === "CqlToElmError" && note.errorSeverity === "error")
    .map((note) => ({
      library: note.libraryId,
      line: note.startLine,
      character: note.startChar,
      syntax: note.errorType === "syntax",
      message: note.message,
    }));
}

function answer({ cql, source, libraries = {}, models = {} }) {
  if (source !== undefined) return { cql: BUILT_IN[source] ?? null };
  const elm = JSON.parse(CqlTranslator.fromText(cql, managerFor(libraries, models)).toJson());
  const errors = errorsOf(elm);
  return errors.length ? { errors } : { elm };
}

// The translator prints on stdout, which here carries answers alone.
const say = process.stdout.write.bind(process.stdout);
process.stdout.write = () => true;
for await (const line of createInterface({ input: process.stdin })) {
  let said;
  try {
    said = answer(JSON.parse(line));
  } catch (error) {
    said = { errors: [{ message: String(error?.message ?? error) }] };
  }
  say(JSON.stringify(said) + "\n");
}
