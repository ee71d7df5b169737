"""Every place of another package that the client changes, or uses though it is not public.

One row a place: what it is, whether it is replaced or only used, by which of our files, why, and which test proves it.
`apply` checks the packages' versions against `PACKAGES`, and that the places exist, before anything is changed; it
refuses to change what has no row here. A new version of a package is taken in by running the tests against it, mending
what they find, and widening its range here (and, for PySpark, in pyproject.toml).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["PACKAGES", "PATCHES", "Package", "Patch"]


@dataclass(frozen=True)
class Package:
    """A package that is patched, and the versions that were tested.

    Attributes:
        name: as people write it.
        distributions: its names for pip; the one that is installed counts.
        oldest: the first version that fits, e.g. ``4.3``.
        below: the first version that was not tested; None where new versions keep what is used.
        remedy: how to get one that fits; ``{distribution}`` is its name for pip, ``{range}`` the versions.
    """

    name: str
    distributions: tuple[str, ...]
    oldest: str
    below: str | None
    remedy: str = (
        "Run `pip install '{distribution}{range}'`, then start Python (a notebook: its kernel) again."
    )


PACKAGES: Final = {
    package.name: package
    for package in (
        Package("PySpark", ("pyspark-client", "pyspark", "pyspark-connect"), "4.3", "4.4"),
        Package("IPython", ("ipython",), "8", "10"),
        Package("piplite", ("piplite", "jupyterlite-pyodide-kernel"), "0.8.6", "0.9"),
        Package("micropip", ("micropip",), "0.9", "0.12"),
        Package(
            "Pyodide",
            ("pyodide",),
            "314",
            "315",
            "Install pcw-server-ext again, which brings it, and reload the page.",
        ),
        Package("protobuf", ("protobuf",), "7.36", "8"),
        Package("Python", ("python",), "3.10", None, "Use Python 3.10 or newer."),
    )
}


@dataclass(frozen=True)
class Patch:
    """One place.

    Attributes:
        package: a name of `PACKAGES`.
        target: ``module:name.name``. A name that only its methods give to its objects counts as the class's.
        kind: ``replaced``: it does something else afterwards; ``used``: it is not public and must be there.
        where: our files, from ``client/pyspark_connect_web`` on.
        why: what for.
        test: the test that fails when the place no longer does what it is used for.
        since: the first version that has it, where the client does without it in older ones.
        browser: it exists in a browser's Python only.
    """

    package: str
    target: str
    kind: Literal["replaced", "used"]
    where: str
    why: str
    test: str
    since: str | None = None
    browser: bool = False


_CORE = "pyspark.sql.connect.client.core"
_PICKLE = "pyspark.cloudpickle.cloudpickle"
_CONVERSION = "pyspark.sql.conversion"
_EXPRESSIONS = "pyspark.sql.connect.expressions"
_SHELL = "IPython.core.interactiveshell:InteractiveShell"

_TEST_PATCH = "tests/client/test_patch.py"
_TEST_LISTENERS = "tests/client/test_listeners.py"
_TEST_OLDER = "tests/client/test_older_servers.py"
_TEST_CELLS = "tests/udf/test_cells.py::test_function_of_a_cell_runs_on_the_server"
_TEST_SWITCH = "tests/lean/test_lean_switch.py::test_switch_in_one_session"
_TEST_QUERIES = "tests/lean/test_lean_queries.py::test_queries_on_sail"
_TEST_COLUMNS = "tests/lean/test_columns.py::test_tables_are_those_of_pyspark_s_own_code"
_TEST_TRAVEL = "tests/lean/test_lean_scope.py::test_stand_ins_travel_as_the_real_thing"
_TEST_LIBRARIES = "tests/lean/test_libraries.py"
_TEST_START = "tests/runtime/test_start.py"
_TEST_MICROPIP = f"{_TEST_START}::test_micropip_knows_bundled_packages_and_installs_others"
_TEST_PACKAGES = "tests/browser/lab/test_packages.py"
_TEST_GROUPS = "tests/client/test_kernel_exception_groups.py"
_TEST_MESSAGES = "tests/client/test_plan_messages.py::test_random_changes_give_what_protobuf_copies"
_TEST_EXPRESSIONS = (
    "tests/client/test_plan_messages.py::test_expressions_have_the_messages_of_pyspark_s_own_code"
)
_TEST_STOP = "tests/browser/lab/test_stop.py::test_one_press_ends_cell_and_query_and_nothing_else"
_TEST_OUTPUT = "tests/browser/lab/test_output.py::test_many_lines_are_few_messages"
_TEST_LIMITS = "tests/client/test_kernel_limits.py"
_TEST_PIP = "tests/client/test_kernel_packages.py::test_pip_is_a_statement_whatever_it_is_asked"

PATCHES: Final = (
    # calls
    Patch("PySpark", f"{_CORE}:DefaultChannelBuilder.__init__", "replaced", "patches/client.py",
          "reads our connection strings", f"{_TEST_PATCH}::test_our_connection_string_gives_our_channel"),
    Patch("PySpark", f"{_CORE}:DefaultChannelBuilder.toChannel", "replaced", "patches/client.py",
          "makes the grpc-web channel", f"{_TEST_PATCH}::test_our_connection_string_gives_our_channel"),
    Patch("PySpark", f"{_CORE}:DefaultChannelBuilder.endpoint", "replaced", "patches/client.py",
          "shows where calls go", f"{_TEST_PATCH}::test_our_connection_string_gives_our_channel"),
    Patch("PySpark", f"{_CORE}:ChannelBuilder.__init__", "used", "patches/client.py",
          "keeps the parameters, of which PySpark makes user, session and metadata",
          f"{_TEST_PATCH}::test_session_sends_its_user_token_and_metadata"),
    Patch("PySpark", f"{_CORE}:DefaultChannelBuilder._host", "used", "patches/client.py",
          "what PySpark shows as the host", f"{_TEST_PATCH}::test_our_connection_string_gives_our_channel"),
    Patch("PySpark", f"{_CORE}:ChannelBuilder._interceptors", "used", "patches/client.py",
          "a person's own interceptors are called", f"{_TEST_PATCH}::test_our_connection_string_gives_our_channel"),
    Patch("PySpark", f"{_CORE}:SparkConnectClient.__init__", "replaced", "patches/client.py",
          "retries that give up within seconds; the kernel's progress",
          f"{_TEST_PATCH}::test_server_that_stays_away_is_an_error_within_ten_seconds"),
    Patch("PySpark", f"{_CORE}:SparkConnectClient.interrupt_operation", "replaced",
          "patches/client.py", "Stop does not wait for a server that does not answer",
          "tests/client/test_kernel_interrupt.py::test_stop_does_not_wait_for_a_server_that_is_deaf"),
    Patch("PySpark", f"{_CORE}:SparkConnectClient._interrupt_request", "used", "patches/client.py",
          "the message of that Stop",
          "tests/client/test_kernel_interrupt.py::test_stop_does_not_wait_for_a_server_that_is_deaf"),
    Patch("PySpark", f"{_CORE}:SparkConnectClient._channel", "used",
          "patches/client.py patches/listeners.py",
          "the channel that a session's calls go through", f"{_TEST_LISTENERS}::test_listener_may_ask_spark"),
    Patch("PySpark", f"{_CORE}:SparkConnectClient._builder", "used",
          "patches/client.py patches/listeners.py",
          "the metadata of its calls", f"{_TEST_LISTENERS}::test_listener_may_ask_spark"),
    Patch("PySpark", f"{_CORE}:DefaultPolicy", "used", "patches/client.py",
          "the retry policy, with other numbers", f"{_TEST_PATCH}::test_who_passes_a_policy_keeps_it"),
    Patch("PySpark", f"{_CORE}:grpc", "used", "rpc/error.py",
          "the RpcError that PySpark catches", f"{_TEST_PATCH}::test_error_of_spark_is_pyspark_s_exception"),
    Patch("PySpark", "pyspark.sql.connect.client.reattach:ExecutePlanResponseReattachableIterator._release_thread_pool",
          "replaced", "patches/client.py", "releases without threads",
          f"{_TEST_PATCH}::test_releases_are_sent_without_threads"),
    Patch("PySpark", "pyspark.sql.connect.client.retries:Retrying.__init__", "replaced",
          "patches/client.py", "a pause between retries that Stop ends",
          "tests/client/test_kernel.py::test_interrupt_in_a_cell_is_a_keyboard_interrupt_and_the_next_cell_runs"),
    # listeners of streaming queries
    Patch("PySpark", "pyspark.sql.connect.streaming.query:Thread", "replaced", "patches/listeners.py",
          "events are read without a thread", f"{_TEST_LISTENERS}::test_events_come_while_other_calls_are_made"),
    Patch("PySpark", "pyspark.sql.connect.streaming.query:Lock", "replaced", "patches/listeners.py",
          "the bus is entered again by the events that it waits for",
          f"{_TEST_LISTENERS}::test_events_come_while_other_calls_are_made"),
    Patch("PySpark", "pyspark.sql.connect.streaming.query:StreamingQueryListenerBus._register_server_side_listener",
          "replaced", "patches/listeners.py", "events can be looked for without waiting",
          f"{_TEST_LISTENERS}::test_events_come_while_other_calls_are_made"),
    Patch("PySpark", "pyspark.sql.connect.streaming.query:StreamingQueryListenerBus._sqm", "used",
          "patches/listeners.py", "leads to the session",
          f"{_TEST_LISTENERS}::test_listener_may_ask_spark"),
    Patch("PySpark", "pyspark.sql.connect.streaming.query:StreamingQueryManager._session", "used",
          "patches/listeners.py", "the session of a bus",
          f"{_TEST_LISTENERS}::test_listener_may_ask_spark"),
    *(
        Patch("PySpark", f"{_CORE}:SparkConnectClient.{name}", "used", "patches/listeners.py",
              "asks for the events as PySpark does", f"{_TEST_LISTENERS}::test_events_come_while_other_calls_are_made")
        for name in (
            "_execute_plan_request_with_metadata", "_set_command_in_plan", "_verify_response_integrity",
            "_handle_error", "_retrying", "_stub", "_rpc_deadlines",
        )
    ),
    Patch("PySpark", "pyspark.sql.connect.client.retries:Retrying._done", "used",
          "patches/listeners.py", "attempts count over several looks",
          f"{_TEST_LISTENERS}::test_server_that_is_gone_removes_the_listener_with_a_warning"),
    # sessions
    Patch("PySpark", f"{_CORE}:SparkConnectClient._handle_rpc_error", "replaced",
          "patches/restarts.py", "a session begins anew after the engine's crash",
          "tests/client/test_restarts.py::test_session_is_begun_anew_only_when_the_server_says_it_is_lost"),
    Patch("PySpark", f"{_CORE}:SparkConnectClient._server_session_id", "used",
          "patches/restarts.py kernel/completion/completer.py",
          "which Spark a session belongs to; None before its first call",
          "tests/client/test_restarts.py::test_session_is_begun_anew_only_when_the_server_says_it_is_lost"),
    # servers of older versions
    Patch("PySpark", f"{_CORE}:SparkConnectClient.get_config_dict", "replaced", "patches/older_servers.py",
          "createDataFrame works with Spark 4.0 and 4.1",
          f"{_TEST_OLDER}::test_local_rows_go_to_older_servers"),
    Patch("PySpark", f"{_CORE}:SparkConnectClient._analyze", "used", "patches/older_servers.py",
          "asks a server for its version", f"{_TEST_OLDER}::test_spark_3_is_refused_in_words"),
    # progress
    Patch("PySpark", f"{_CORE}:SparkConnectClient._session_hooks", "used", "kernel/progress.py",
          "hears of a query before it is sent",
          "tests/client/test_kernel_progress.py::test_page_hears_of_the_beginning_the_stages_and_the_end"),
    Patch("PySpark", f"{_CORE}:SparkConnectClient._progress_handlers", "used", "kernel/progress.py",
          "whether a person has cleared them",
          "tests/client/test_kernel_progress.py::test_clearing_the_handlers_switches_it_off"),
    # functions of the notebook
    Patch("PySpark", "pyspark.serializers:CloudPickleSerializer.dumps", "replaced", "udf/hooks.py",
          "functions travel as source", _TEST_CELLS),
    *(
        Patch("PySpark", f"{place}.to_plan", "replaced", "udf/hooks.py",
              "the server's Python is known before a function is pickled", _TEST_CELLS)
        for place in (
            "pyspark.sql.connect.expressions:PythonUDF", "pyspark.sql.connect.plan:PythonUDTF",
            "pyspark.sql.connect.plan:PythonDataSource",
        )
    ),
    *(
        Patch("PySpark", f"{place}._python_ver", "used", "udf/hooks.py",
              "the Python that a function is sent for", _TEST_CELLS)
        for place in (
            "pyspark.sql.connect.expressions:PythonUDF", "pyspark.sql.connect.plan:PythonUDTF",
            "pyspark.sql.connect.plan:PythonDataSource",
        )
    ),
    *(
        Patch("PySpark", f"pyspark.sql.connect.streaming.readwriter:DataStreamWriter.{name}", "replaced",
              "udf/hooks.py", "functions of streams travel as source", _TEST_CELLS)
        for name in ("foreach", "foreachBatch")
    ),
    *(
        Patch("PySpark", f"pyspark.sql.connect.streaming.readwriter:DataStreamWriter.{name}", "used",
              "udf/hooks.py", "functions of streams travel as source", _TEST_CELLS)
        for name in ("_write_proto", "_session")
    ),
    *(
        Patch("PySpark", f"{_PICKLE}:{name}", "used",
              "udf/pickler.py udf/classes.py udf/loader.py",
              "cloudpickle's own work, but for code objects", _TEST_CELLS)
        for name in (
            "Pickler.dispatch_table", "Pickler._function_getnewargs", "Pickler._dynamic_function_reduce",
            "_should_pickle_by_reference", "_make_function", "_function_getstate", "_function_setstate",
            "_dynamic_class_reduce", "_make_skeleton_enum", "_class_setstate",
        )
    ),
    # stand-ins for pandas, pyarrow and numpy
    *(
        Patch("PySpark", f"pyspark.sql.connect.dataframe:DataFrame.{name}", "replaced",
              "lean/entrypoints.py", "brings the real package before the query runs", _TEST_SWITCH)
        for name in ("toPandas", "_to_pandas", "pandas_api", "toArrow")
    ),
    Patch("PySpark", "pyspark.sql.plot.core:require_minimum_plotly_version", "replaced",
          "lean/entrypoints.py", "says at once what a plot lacks",
          "tests/client/test_plot.py::test_plot_is_the_native_clients"),
    Patch("PySpark", f"{_CONVERSION}:ArrowTableToRowsConversion.convert", "replaced", "lean/entrypoints.py",
          "no garbage collection while many rows are made", _TEST_QUERIES),
    Patch("PySpark", f"{_CONVERSION}:LocalDataToArrowConversion.convert", "replaced", "lean/entrypoints.py",
          "no garbage collection while many rows are made; rows become columns at C speed", _TEST_COLUMNS),
    Patch("PySpark", f"{_CONVERSION}:_deduplicate_field_names", "used", "lean/columns.py",
          "the types of the columns", _TEST_COLUMNS),
    *(
        Patch("PySpark", f"{_CONVERSION}:{name}._create_converter", "replaced", "lean/localtime.py",
              "local times of years before 1973, which Emscripten rounds to minutes",
              "tests/lean/test_localtime.py::test_converters_are_wrapped_nested_ones_too")
        for name in ("ArrowTableToRowsConversion", "LocalDataToArrowConversion")
    ),
    Patch("PySpark", f"{_CONVERSION}:ArrowTableToRowsConversion._should_manual_bulk", "used",
          "lean/entrypoints.py", "forgets which pyarrow it met first", _TEST_SWITCH),
    Patch("PySpark", "pyspark.sql.connect.plan:LocalRelation._table", "used", "lean/entrypoints.py",
          "local data becomes the real pyarrow's", _TEST_SWITCH),
    Patch("PySpark", "pyspark.sql.connect.dataframe:DataFrame._to_table", "used", "lean/answers.py",
          "answers of commands for libraries that want them as pandas frames",
          f"{_TEST_LIBRARIES}::test_answer_takes_the_place_of_a_pandas_frame"),
    Patch("PySpark", "pyspark.errors.exceptions.connect:SparkConnectGrpcException._message", "used",
          "patches/extensions.py", "says what a server lacks for a library's plans",
          f"{_TEST_LIBRARIES}::test_library_works_lean"),
    Patch("PySpark", f"{_PICKLE}:_class_reduce", "replaced", "lean/pickling.py",
          "stand-ins arrive on the server as the real classes", _TEST_TRAVEL),
    Patch("PySpark", f"{_PICKLE}:Pickler._dispatch_table", "used", "lean/pickling.py",
          "stand-ins arrive on the server as the real modules", _TEST_TRAVEL),
    Patch("PySpark", "pyspark.sql.connect.utils:check_dependencies", "used", "lean/__init__.py",
          "takes a kernel's __main__ for a doctest run and exits, so that gets a __spec__ and a __file__",
          "tests/lean/test_lean_scope.py::test_scope"),
    # IPython
    Patch("IPython", "IPython.core.compilerop:CachingCompiler.ast_parse", "used", "udf/ipython.py",
          "the shell's compiler gets a subclass that keeps the source of %%time", _TEST_CELLS),
    Patch("IPython", f"{_SHELL}.init_user_ns", "replaced", "kernel/startup.py",
          "%reset brings `spark` back",
          "tests/client/test_kernel.py::test_user_may_assign_spark_and_reset_brings_it_back"),
    Patch("IPython", f"{_SHELL}.excepthook", "replaced", "kernel/interrupt.py",
          "an interrupt is shown once",
          "tests/client/test_kernel_interrupt.py::test_shell_shows_the_short_traceback_of_interrupts_only"),
    Patch("IPython", f"{_SHELL}.showtraceback", "replaced", "kernel/exception_groups.py",
          "a group of exceptions fails its cell", f"{_TEST_GROUPS}::test_a_group_is_handed_over"),
    Patch("IPython", f"{_SHELL}._showtraceback", "used", "kernel/exception_groups.py",
          "what a shell does with a traceback that is rendered", f"{_TEST_GROUPS}::test_a_group_is_handed_over"),
    Patch("IPython", f"{_SHELL}._format_exception_for_storage", "replaced", "kernel/interrupt.py",
          "a traceback is rendered once, which takes seconds in a browser",
          "tests/client/test_kernel_interrupt.py::test_traceback_that_was_shown_is_not_rendered_again", since="9.2"),
    Patch("IPython", "builtins:display", "replaced", "kernel/display.py",
          "display(df) shows a table; a shell puts it there",
          "tests/client/test_kernel_sql.py::test_only_what_was_asked_to_be_shown_becomes_a_table", browser=True),
    Patch("IPython", "IPython.core.magics.execution:_format_time", "used", "kernel/timing.py",
          "%%time before a cell that awaits tells its times as elsewhere",
          "tests/client/test_kernel_timing.py::test_cell_that_awaits_is_timed"),
    *(
        Patch("IPython", f"{_SHELL}.{name}", "replaced", "kernel/one_process.py", "!command says why it does not run",
              f"{_TEST_LIMITS}::test_other_programs_are_refused_with_the_reason", browser=True)
        for name in ("system", "getoutput")
    ),
    Patch("IPython", "IPython.core.magics.script:ScriptMagics.shebang", "replaced", "kernel/one_process.py",
          "%%bash says why it does not run", f"{_TEST_LIMITS}::test_other_programs_are_refused_with_the_reason",
          browser=True),
    # packages in the kernel
    Patch("piplite", "piplite.cli:get_transformed_code", "replaced", "kernel/packages/pip.py",
          "%pip answers every command", _TEST_PIP, browser=True),
    Patch("piplite", "piplite.cli:get_action_kwargs", "used", "kernel/packages/pip.py",
          "reads the options of %pip install", _TEST_PIP, browser=True),
    Patch("piplite", "piplite.piplite:_install", "used", "kernel/packages/pip.py",
          "installs wheels of the notebook's folder",
          f"{_TEST_PACKAGES}::test_wheel_in_the_notebooks_folder_is_installed", browser=True),
    Patch("piplite", "piplite.piplite:PiplitePyPIDisabled", "used", "kernel/packages/pip.py",
          "a package that is in no place this page asks",
          f"{_TEST_PACKAGES}::test_pip_install_of_an_absent_package_says_why", browser=True),
    Patch("micropip", "micropip:install", "replaced", "kernel/packages/pip.py",
          "packages come from the server's index",
          f"{_TEST_PACKAGES}::test_micropip_asks_the_servers_index_too", browser=True),
    Patch("micropip", "micropip._compat:compatibility_layer", "used", "../runtime/python/pcw_runtime.py",
          "shows micropip this kernel's lock file", _TEST_MICROPIP, browser=True),
    *(
        Patch("Pyodide", f"pyodide_js:_api.{name}", "used", where, why,
              f"{_TEST_PACKAGES}::test_package_that_has_come_loads_in_the_same_session", browser=True)
        for name, where, why in (
            ("lockfile_packages", "kernel/packages/pyodide_files.py", "packages of the server's lock"),
            ("lockfile_info", "../runtime/python/pcw_runtime.py", "shows micropip this kernel's lock file"),
            ("_import_name_to_package_name", "kernel/packages/pyodide_files.py",
             "which package an import comes with"),
            ("config", "kernel/packages/pyodide_files.py", "where the runtime's files lie"),
        )
    ),
    Patch("Pyodide", "pyodide_kernel:kernel_instance.run", "replaced", "../../labextension/src/kernel/python.ts",
          "a cell that awaits can be cancelled", _TEST_STOP, browser=True),
    # expressions, where protobuf is pure Python
    *(
        Patch("PySpark", f"{_EXPRESSIONS}:{name}", "replaced", "patches/message_expressions.py", why, _TEST_EXPRESSIONS)
        for name, why in (
            ("Expression.__init__", "expressions of one place in the notebook share what says so"),
            ("Expression._create_proto_expression", "expressions of one place in the notebook share what says so"),
            ("LiteralExpression._from_value", "plain values become expressions without a look at unusual ones"),
            ("LiteralExpression.to_plan", "plain literals become messages in one step"),
            ("UnresolvedFunction.to_plan", "plain literals become arguments in one step"),
            ("ColumnReference.to_plan", "references to columns become messages in one step"),
        )
    ),
    *(
        Patch("PySpark", f"{_EXPRESSIONS}:{name}", "replaced", "patches/message_functions.py", why, _TEST_EXPRESSIONS)
        for name, why in (
            ("pyspark_types_to_proto_types", "types of data that are usual share their messages"),
            ("CommonInlineUserDefinedFunction.to_plan", "a function is copied once into its call's expression"),
        )
    ),
    *(
        Patch("PySpark", f"{_EXPRESSIONS}:CommonInlineUserDefinedFunction.{name}", "used",
              "patches/message_functions.py", "what the message is made of", _TEST_EXPRESSIONS)
        for name in ("_function_name", "_function", "_deterministic", "_arguments")
    ),
    *(
        Patch("PySpark", f"{_EXPRESSIONS}:{name}", "used", "patches/message_expressions.py",
              "what the message is made of", _TEST_EXPRESSIONS)
        for name in (
            "LiteralExpression._value", "LiteralExpression._dataType", "UnresolvedFunction._name",
            "UnresolvedFunction._args", "UnresolvedFunction._is_distinct", "ColumnReference._unparsed_identifier",
            "ColumnReference._plan_id", "ColumnReference._is_metadata_column",
        )
    ),
    *(
        Patch("Pyodide", f"pyodide_kernel:{name}", "replaced", "kernel/output.py",
              "what a cell prints is sent in batches", _TEST_OUTPUT, browser=True)
        for name in ("stdout_stream", "stderr_stream")
    ),
    # protobuf in pure Python: the compiled one has none of these, and is left alone
    *(
        Patch("protobuf", f"pyspark.sql.connect.proto.base_pb2:Plan.{name}", "replaced", "patches/messages.py",
              "messages share their parts, and are measured and written without recursion", _TEST_MESSAGES,
              browser=True)
        for name in (
            "MergeFrom", "CopyFrom", "MergeFromString", "_InternalParse", "ListFields", "ByteSize",
            "_InternalSerialize", "IsInitialized", "root", "root.DESCRIPTOR._default_constructor",
        )
    ),
    *(
        Patch("protobuf", f"pyspark.sql.connect.proto.base_pb2:{name}", "replaced", "patches/messages.py",
              "messages are constructed and set without what they seldom need", _TEST_MESSAGES, browser=True)
        for name in (
            "Plan.__init__", "Plan._Modified", "Plan.SetInParent", "Plan._UpdateOneofState", "UserContext.user_id",
        )
    ),
    *(
        Patch("protobuf", f"pyspark.sql.connect.proto.base_pb2:Plan.{name}", "used", "patches/messages.py",
              "what a message is made of", _TEST_MESSAGES, browser=True)
        for name in (
            "_fields", "_oneofs", "_unknown_fields", "_frozen", "_cached_byte_size", "_cached_byte_size_dirty",
            "_is_present_in_parent", "_listener", "_listener_for_children", "_AssureWritable", "_Modified",
            "_SetListener", "DESCRIPTOR._concrete_class",
        )
    ),
    *(
        Patch("protobuf", f"google.protobuf.internal.{name}", "used", "patches/messages.py",
              "sizes and bytes of what is no message", _TEST_MESSAGES, browser=True)
        for name in ("python_message:_MaybeAddEncoder", "encoder:_EncodeVarint")
    ),
    *(
        Patch("protobuf", f"google.protobuf.internal.containers:RepeatedCompositeFieldContainer.{name}", "used",
              "patches/messages.py", "lists of messages", _TEST_MESSAGES, browser=True)
        for name in ("_values", "_message_listener", "_message_descriptor")
    ),
    # Python itself
    Patch("Python", "builtins:__import__", "replaced", "lean/scope.py",
          "PySpark's modules that were loaded before see the stand-ins", "tests/lean/test_lean_scope.py::test_scope"),
    Patch("Python", "inspect:getblock", "replaced", "kernel/statement_sources.py",
          "IPython shows a frame whose source ends inside a statement",
          "tests/client/test_kernel_sources.py::test_error_with_such_a_frame_is_shown"),
    Patch("Python", "sys:_getframe", "used", "lean/full.py", "who asks for an import",
          "tests/client/test_kernel_packages.py::test_import_of_an_absent_package_names_the_command"),
    Patch("Python", "functools:_lru_cache_wrapper", "used", "udf/pickler.py",
          "cached functions travel, their cache empty", _TEST_CELLS),
    Patch("Python", "dataclasses:Field._field_type", "used", "udf/classes.py",
          "dataclasses are made again on the server", _TEST_CELLS),
    Patch("Python", "time:sleep", "replaced", "../../labextension/src/kernel/python.ts", "Stop ends a sleep",
          _TEST_STOP),
    *(
        Patch("Python", f"concurrent.futures.thread:ThreadPoolExecutor.{name}", "replaced", "kernel/one_thread.py",
              "a pool works without threads", f"{_TEST_LIMITS}::test_work_of_a_pool_is_done_inline", browser=True)
        for name in ("__init__", "submit")
    ),
    Patch("Python", "concurrent.futures.thread:ThreadPoolExecutor._shutdown", "used", "kernel/one_thread.py",
          "a pool that is shut down takes none", f"{_TEST_LIMITS}::test_work_of_a_pool_is_done_inline", browser=True),
    Patch("Python", "threading:Thread.start", "replaced", "kernel/one_thread.py", "says what to use instead",
          f"{_TEST_LIMITS}::test_thread_says_what_to_use", browser=True),
    *(
        Patch("Python", f"code:InteractiveConsole.{name}", "replaced", "kernel/console.py",
              "a console in a cell can be ended", f"{_TEST_LIMITS}::test_console_ends")
        for name in ("raw_input", "interact")
    ),
    *(
        Patch("Python", target, "replaced", "kernel/hidden_files.py", "says that Jupyter hides names with a dot",
              f"{_TEST_LIMITS}::test_hidden_names_say_why")
        for target in ("builtins:open", "io:open", "os:open", "os:mkdir", "os:rename", "os:replace")
    ),
    Patch("IPython", "IPython.core.interactiveshell:io_open", "replaced", "kernel/hidden_files.py",
          "says that Jupyter hides names with a dot, in cells", f"{_TEST_LIMITS}::test_hidden_names_say_why"),
    Patch("Python", "subprocess:Popen.__init__", "replaced", "kernel/one_process.py", "says why nothing is started",
          f"{_TEST_LIMITS}::test_errors_of_processes_and_sockets_name_the_reason", browser=True),
    Patch("Python", "socket:socket.connect", "replaced", "kernel/one_process.py", "says why nobody is reached",
          f"{_TEST_LIMITS}::test_errors_of_processes_and_sockets_name_the_reason", browser=True),
    *(
        Patch("Python", target, "used", "../runtime/python/pcw_runtime.py", "fresh in every kernel of a snapshot",
              f"{_TEST_START}::test_kernels_share_no_random_state_and_no_names")
        for target in ("tempfile:_name_sequence", "uuid:_node", "uuid:_last_timestamp")
    ),
)  # fmt: skip
