"""The check of the code's text says what is wrong, and only that; check.sh runs it and sees every language."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(sys.argv.pop())
sys.path.insert(0, str(SCRIPTS))
import check_code  # noqa: E402


class Check(unittest.TestCase):
    def complaints(self, path, text, **lists):
        return check_code.complaints({path: text}, **{"long": {}, "capturing": {}, "functions": (), **lists})

    def refused(self, path, text, why):
        found = self.complaints(path, text)
        self.assertEqual(len(found), 1, found)
        self.assertIn(why, found[0])

    def test_a_thread_that_handles_its_programs_signals_is_refused(self):
        for text in ("std::jthread thread_;", "std::vector<std::thread> threads_;"):
            self.refused("runtime/a.cpp", text, "GuestThread")
            self.assertEqual(self.complaints("agent/a.cpp", text), [])
            self.assertEqual(self.complaints("runtime/examples/a.cpp", text), [])
        self.assertEqual(self.complaints("migrator/a.cpp", "std::thread::hardware_concurrency(), std::this_thread::yield()"), [])

    def test_a_mutex_that_guards_by_comment_is_refused(self):
        for text in ("std::mutex mutex_;", "std::condition_variable changed_;", "std::shared_mutex m;"):
            self.refused("agent/base/a.h", text, "say what is guarded")
            self.refused("cuda/a.cu", text, "say what is guarded")
            self.refused("tests/unit/a_test.cpp", text, "say what is guarded")
            self.assertEqual(self.complaints("runtime/examples/a.cpp", text), [])
        self.assertEqual(self.complaints("migrator/base/mutex.h", "std::mutex mutex_;"), [])

    def test_a_jobs_record_is_changed_by_name_outside_of_its_folder(self):
        for text in ("source.frozen = true;", "job.migration.clear();", "standby->attached = false;",
                     "source.job().epoch = 2;", "instance.job().migration = id;",
                     "JobList::note(source, change);", "scope_.context.jobs.note(*source, change);"):
            self.refused("agent/handover/source/a.cpp", text, "say whether it is on disk")
            self.assertEqual(self.complaints("agent/jobs/job_list.cpp", text), [])
        for text in ("if (source.frozen == wanted) {", "made.device = wanted.device;", "job.migration.empty();"):
            self.assertEqual(self.complaints("agent/handover/source/a.cpp", text), [])

    def test_who_steps_is_decided_in_one_file_of_the_jobs_folder(self):
        for text in ("job.newer_epoch = 7;", "instance.job().spec.restart = RestartRule::never;", "++job.restarts;"):
            self.refused("agent/jobs/job_processes.cpp", text, "because it decides who steps")
            self.assertEqual(self.complaints("agent/jobs/job_list.cpp", text), [])
        self.assertEqual(self.complaints("agent/jobs/job_processes.cpp", "if (job.newer_epoch == 7) {"), [])

    def test_a_wait_that_holds_up_the_agents_loop_is_refused(self):
        for text in ("::poll(nullptr, 0, kTickMs);", "const auto child = start_process(spec);"):
            self.refused("agent/criu/a.cpp", text, "one loop")
            self.assertEqual(self.complaints("agent/process/supervisor_main.cpp", text), [])
        self.assertEqual(self.complaints("agent/criu/a.cpp", "::poll(&wait, 1, 0); co_await start_process_of(id);"), [])

    def test_sleeps_are_refused_wherever_tests_are(self):
        for room in ("unit", "integration", "support", "faults", "security", "journeys"):
            self.refused(f"tests/{room}/a.cpp", "std::this_thread::sleep_for(1ms);", "waits for a condition")
        self.assertEqual(self.complaints("tests/trainers/a.cpp", "sleep_for(1ms);"), [])

    def test_who_holds_a_jobs_memory_catches_whatever_is_thrown(self):
        for text in ("} catch (const Error& error) {", "} catch (const Error&) {", "} catch (const std::bad_alloc&) {",
                     "} catch (cardswap::Error& e) {"):
            self.refused("runtime/holder/a.cpp", text, "only memory")
            self.refused("runtime/memory_departure.cpp", text, "only memory")
            self.assertEqual(self.complaints("runtime/roles/a.cpp", text), [])
        self.assertEqual(self.complaints("runtime/holder/a.cpp", "} catch (...) {"), [])

    def test_what_is_awaited_chooses_nothing(self):
        self.refused("agent/a.cpp", "auto found = co_await located(is_device ? place : place + '/');", "name it first")
        self.refused("agent/a.cpp", "auto found = co_await located(\n    is_device ? place\n              : place + '/');", "name it first")
        self.assertEqual(self.complaints("agent/a.cpp", "const auto found = is_it ? co_await look() : none;"), [])

    def test_a_skip_names_what_is_missing(self):
        self.refused("tests/unit/a_test.cpp", 'GTEST_SKIP() << "no CRIU";', "names what is missing")

    def test_a_capturing_lambda_is_no_coroutine(self):
        for capture in ("this", "&", "=", "&a, b = std::move(c)"):
            text = f"tasks.spawn([{capture}](int one, std::function<void(int)> two) mutable\n  -> asio::awaitable<void> {{"
            self.refused("agent/a.cpp", text, "a lambda with captures")
        self.refused("agent/a.cpp", "auto f = [&]() -> boost::asio::awaitable<void> {", "a lambda with captures")
        self.refused("agent/a.cpp", "auto f = [&] -> asio::awaitable<void> {", "a lambda with captures")

    def test_coroutines_without_captures_and_lambdas_that_are_none_are_fine(self):
        self.assertEqual(self.complaints("agent/a.cpp", "spawn([](Api& api) -> asio::awaitable<void> {"), [])
        self.assertEqual(self.complaints("agent/a.cpp", "std::sort(a, b, [&](int x) -> bool {"), [])

    def test_routes_may_capture_because_they_live_as_long_as_the_router(self):
        self.assertEqual(self.complaints(
            "agent/a.cpp", 'router.add("GET", "/v1/jobs",\n   [&](ApiRequest) -> asio::awaitable<ApiResponse> {'), [])

    def test_an_allowed_lambda_that_is_gone_is_struck_off_the_list(self):
        lists = {"capturing": {("agent/a.cpp", "wait ="): "awaited here"}}
        self.assertEqual(self.complaints("agent/a.cpp", "auto wait = [&]() -> asio::awaitable<void> {", **lists), [])
        self.assertIn("strike it off", self.complaints("agent/a.cpp", "\n", **lists)[0])

    def test_a_coroutine_keeps_no_reference_to_what_a_list_forgets(self):
        for text in ("asio::awaitable<void> record(const Migration& m);",
                     "  boost::asio::awaitable<std::vector<pid_t>> stop(Instance& instance, int grace) {",
                     "asio::awaitable<Blocked> A::look(std::string id,\n                     const Reservation& r) const {",
                     "virtual asio::awaitable<void> enter(Transfer& transfer) = 0;",
                     "asio::awaitable<void> save(JobRecord const& record);",
                     "spawn([](Job& job) -> asio::awaitable<void> {"):
            self.refused("agent/a.cpp", text, "may be forgotten while it waits")
            self.assertEqual(self.complaints("tests/support/a.cpp", text), [])

    def test_ids_values_and_what_is_no_coroutine_are_fine(self):
        for text in ("asio::awaitable<void> record(std::string id);",
                     "asio::awaitable<void> wait_for_each(bool (*is)(const Transfer&));",
                     "asio::awaitable<void> run(std::function<void(const Migration&)> told, const Migrations& all);",
                     "void record(const Migration& m);\nasio::awaitable<void> other();",
                     "asio::awaitable<void> work_;\nvoid note(Instance& instance);",
                     "find([](const Job& job) -> bool {"):
            self.assertEqual(self.complaints("agent/a.cpp", text), [], text)

    def test_a_long_file_needs_a_reason(self):
        for path in ("agent/a.h", "cuda/a.cu", "cuda/a.cuh"):
            self.refused(path, "\n" * 401, "second job")
        self.assertEqual(self.complaints("agent/a.h", "\n" * 400), [])
        self.assertEqual(self.complaints("agent/a.h", "\n" * 401, long={"agent/a.h": "a table"}), [])

    def test_a_stale_entry_of_the_list_of_long_files_is_refused(self):
        self.assertIn("strike it off", self.complaints("agent/a.h", "\n" * 400, long={"agent/a.h": "a table"})[0])
        self.assertIn("not there", self.complaints("agent/a.h", "\n", long={"agent/gone.h": "a table"})[0])


    def test_a_long_function_is_refused_unless_it_is_on_the_list(self):
        text = "namespace a {{\n\nint A::f(int b,\n         int c) {{\n{}}}\n\n}}  // namespace a\n"
        self.assertEqual(self.complaints("agent/a.cpp", text.format("  ++b;\n" * 57)), [])
        long = text.format("  ++b;\n" * 58)
        self.refused("agent/a.cpp", long, "a.cpp:3: A::f has 61 lines")
        self.assertEqual(self.complaints("agent/a.cpp", long, functions=[("agent/a.cpp", "A::f")]), [])
        self.assertEqual(self.complaints("tests/unit/a_test.cpp", long), [])
        self.assertIn("strike it off", self.complaints("agent/a.cpp", "\n", functions=[("agent/a.cpp", "A::f")])[0])

    def test_a_long_class_or_namespace_is_no_function_but_its_members_are(self):
        members = "  int f(int b) {\n    return b;\n  }\n" * 30
        self.assertEqual(self.complaints("agent/a.h", f"/// One.\nclass A final : public B<int(int)> {{\n public:\n{members}}};\n"), [])
        long = "  int f(int b) {\n" + "    ++b;\n" * 60 + "  }\n"
        self.refused("agent/a.h", f"/// One.\nclass A {{\n public:\n{long}}};\n", "f has 62 lines")
        self.assertEqual(self.complaints("agent/a.h", 'constexpr auto kText = R"(\nf(x) {\n' + "\n" * 70 + ')";\n'), [])


    def test_a_contract_begins_with_the_thing_or_with_what_it_does(self):
        for text in ("The epoch of the target.", "Waits until it ends.", "What the target holds.", "Whether it runs.",
                     "Itself a file.", "`host` in brackets.", "32 digits.", "Forgets it.", "On-disk records."):
            self.assertEqual(self.complaints("agent/a.h", f"/// {text}\nint f();\n"), [], text)
        for text in ("That the target is granted.", "Of the lowest rank.", "The same, for tasks.", "Whose it is.",
                     "Those of all jobs.", "It is over.", "Empty where there is none.", "0: no bound."):
            self.refused("agent/a.h", f"  /// {text}\n  int f();\n", "begins with")

    def test_only_the_first_sentence_of_a_headers_contract_must_stand_alone(self):
        self.assertEqual(self.complaints("agent/a.h", "/// A job's files, without\n/// those that are gone.\nint f();\n"), [])
        self.assertEqual(self.complaints("agent/a.h", "int a;  ///< of the job\n// of the job\nint f();\n"), [])
        self.assertEqual(self.complaints("agent/a.cpp", "/// Of a job.\nint f() { return 0; }\n"), [])
        self.assertEqual(self.complaints("tests/support/a.h", "/// Of a job.\nint f();\n"), [])

    def test_a_contract_stands_right_before_what_it_is_of(self):
        self.refused("agent/base/a.h", "/// Makes it.\n\nvoid make();\n", "blank line")
        self.refused("agent/base/a.h", "struct A;\n  /// Makes it, and more.\n  /// Throws Error.\n\n  void make();\n", "blank line")
        self.assertEqual(self.complaints("agent/base/a.h", "/// Makes it.\nvoid make();\n\nvoid end();\n"), [])
        self.assertEqual(self.complaints("agent/base/a.cpp", "/// Makes it.\n\nvoid make();\n"), [])

    def test_a_type_without_a_first_line_is_refused(self):
        for text in ("struct A {", "class A final : public B {", "  enum class A : int { one, two };", "struct A {};",
                     "template <class T>\nclass A {", "enum class [[nodiscard]] A : int{one};",
                     'class CARDSWAP_THREAD_SAFETY(capability("mutex")) A {',
                     "class A final : public B,\n                public C {"):
            self.refused("agent/a.h", f"\n{text}\n", "A has no first line")
            self.assertEqual(self.complaints("agent/a.h", f"\n/// One.\n{text}\n"), [], text)

    def test_what_is_declared_elsewhere_needs_no_first_line(self):
        for text in ("class A;", "enum class A : int;", "class A;  // of the job", "template <>\nstruct A<int> {",
                     "template <class T>\nrequires(kOf<T>) struct A<T> {", "template <class A>\nint f();"):
            self.assertEqual(self.complaints("agent/a.h", f"\n{text}\n"), [], text)
        self.assertEqual(self.complaints("cuda/nvml_api.h", "struct nvmlMemory_t {\n"), [])


class CheckSh(unittest.TestCase):
    """The whole script, over a small project."""

    def run_over(self, files):
        with tempfile.TemporaryDirectory() as name:
            root = pathlib.Path(name)
            shutil.copytree(SCRIPTS, root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(SCRIPTS.parent / ".clang-format", root)
            code = root / "scripts/check_code.py"  # without this project's lists
            code.write_text(code.read_text().replace("def main()", "LONG.clear()\nCAPTURING.clear()\nLONG_FUNCTIONS.clear()\n\n\ndef main()"))
            names = root / "scripts/check_names.py"
            names.write_text(names.read_text().replace("def no_questions(", "NO_QUESTIONS.clear()\n\n\ndef no_questions("))
            pages = {f"docs/{page}": (SCRIPTS.parent / "docs" / page).read_text().split("\n")[0] + "\n"
                     for page in ("cli.md", "cardswapd.md")}
            folders = (SCRIPTS.parent / "docs/architecture.md").read_text().partition("\n| folder |")[2].partition("\n\n")[0]
            pages["docs/architecture.md"] = f"\n| folder |{folders}\n\n"
            for path, text in {**pages, "docs/trainer-guide.md": "", "tests/recipes/a.cpp": "int a = 0;\n",
                               "runtime/CMakeLists.txt": "cardswap_c\n", **files}.items():
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_text(text)
            subprocess.run(["git", "init", "-q", root], check=True)
            return subprocess.run([root / "scripts/check.sh"], capture_output=True, text=True)

    @unittest.skipIf(shutil.which("clang-format") is None, "there is no clang-format")
    def test_fails_on_what_its_parts_find_and_on_format_in_every_language(self):
        self.assertEqual(self.run_over({"cuda/a.cu": "int b = 0;\n"}).returncode, 0)
        for path in ("cuda/a.cu", "cuda/a.cuh", "cuda/a.h", "agent/a.cpp"):
            found = self.run_over({path: "int  b=0;\n"})
            self.assertEqual(found.returncode, 1, path)
            self.assertIn(path, found.stdout + found.stderr)
        self.assertEqual(self.run_over({"cuda/a.cu": "int b = 0;\n" * 401}).returncode, 1)
        self.assertEqual(self.run_over({"migrator/core/a.h": '#include "agent/base/b.h"\n'}).returncode, 1)
        self.assertEqual(self.run_over({"agent/a.cpp": "std::mutex m;\n"}).returncode, 1)


if __name__ == "__main__":
    unittest.main()
