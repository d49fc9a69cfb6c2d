"""The language: ELM in, Python functions out.

    program = compile_program(libraries, "DrEaMing", terminology, model, {"Initial Population"})
    session = program.prepare({"Measurement Period": period}, now)
    patient = session.patient(record)
    patient.evaluate("Initial Population")

Compiling (`service.cql.compiler`), once per measure:

    compile_program(
        libraries: Iterable[Mapping[str, Any]],  # decoded ELM JSON: {"library": {...}}
        main: str,                               # the name of the main library
        terminology: Terminology,                # Terminology.of(value sets, code systems)
        model: Model,                            # service.fhir.model.r4()
        expressions: Collection[str] | None,     # definitions and functions of main; None: all
    ) -> Program

    raises CompileError for whatever reachable logic uses and the engine does not understand.

Program (`service.cql.program`), frozen:

    .library: LibraryName(id, version)
    .expressions: Mapping[str, Type]            name -> static type (service.cql.types)
    .functions: Collection[str]                 names that `call` takes
    .parameters: Mapping[str, Parameter]        name -> Parameter(type, required)
    .uses: Uses                                 what reachable logic reads, see below
    .notices: tuple[str, ...]                   declared and unused value sets that are missing
    .source: str                                the generated Python
    .prepare(parameters: Mapping[str, object], now: datetime, patients=nobody, place=None) ->
        Session
        `now` is aware; its offset is the evaluation's offset for DateTimes that have none, but for
        times in the data where a place (a tzinfo) is given: its clocks tell theirs. A parameter is
        given by its name for every library that declares it. Raises EvaluationError when one is
        unknown, missing without default or of a wrong type.

Session: one evaluation's parameters and clock; constants of the logic are computed once.

    .patient(record: PatientRecord) -> PatientContext
    .evaluate(name) -> value                    of the Unfiltered context; what is about
                                                all patients needs those `prepare` was given
    .messages: list[Message]                    Message(severity, code, text) said so far

PatientContext: one patient; every named expression is computed at most once.

    .evaluate(name) -> value                    raises EvaluationError (where, never data)
    .call(function, *arguments) -> value        overload chosen by the arguments' types
    .retrieved() -> list[Element]               the resources that retrieves have given, in order

Uses: what a data requirement is made from.

    .value_sets: frozenset[str]                 canonical URLs (|version where the logic says one)
    .retrieves: tuple[RetrieveUse, ...]         type, template, code_path, value_sets, codes
    .elements: Mapping[str, frozenset[str]]     resource type -> its top elements that are read;
                                                "*" stands for all of them
    .parts: Mapping[str, frozenset[str]]        the same for classes that are no resources

Values are those of `service.cql.values`; FHIR elements are `service.cql.elements.Element`s: `.json`
is the decoded JSON, `.type_name` its qualified type, attributes give the child elements.

Each name is imported from its own module: the processes that build a store need the types, and
none of the rest.

Included libraries are found by name and version: give an ELM document the version of the Library
resource that it came in, should its own label be another.
"""
