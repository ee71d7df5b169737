/**
 * The last step before the first cell; it runs outside `execute`, which would count as a cell. Evaluates to the text of
 * what went wrong, or None.
 */
export const START = `
async def start(folder, config, preinstalled, sleep, on_cancel, report_query, publish, on_streams):
    import os, traceback
    try:
        import asyncio, time
        from pyodide_kernel import kernel_instance as kernel
        if sleep is not None:
            # The stock one suspends the interpreter, and then nothing can interrupt it.
            def blocking_sleep(seconds, /):
                if seconds < 0:
                    raise ValueError("sleep length must be non-negative")
                sleep(float(seconds))
            blocking_sleep.__name__ = blocking_sleep.__qualname__ = "sleep"
            time.sleep = blocking_sleep
        running = None
        run = type(kernel).run
        async def run_cancellable(self, code):
            nonlocal running
            running = asyncio.current_task()
            try:
                return await run(self, code)
            finally:
                running = None
        type(kernel).run = run_cancellable
        def cancel():
            if running is not None:
                running.cancel("interrupted")
        on_cancel(cancel)
        if folder is not None:
            os.chdir(folder)
        import pyspark_connect_web.kernel
        from pyspark_connect_web.kernel.output import install_streams
        batches = install_streams(publish)
        on_streams(batches.flush, batches.while_waiting)
        pyspark_connect_web.kernel.start(config, report_query)
        if preinstalled is not None:
            await pyspark_connect_web.kernel.preinstall(preinstalled)
    except Exception as error:
        return "".join(traceback.format_exception(error)).strip()
await start(folder, config, preinstalled, sleep, on_cancel, report_query, publish, on_streams)
`;
