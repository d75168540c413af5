// The line of the program that called into Taper, from its line tables.
#include <atomic>

#include "taper/error.h"

#if TAPER_LINE_TABLES
#include <backtrace.h>
#include <dlfcn.h>
#include <unwind.h>

#include <string_view>
#endif

namespace taper {

namespace {

std::atomic<bool> enabled{true};

}  // namespace

void set_error_lines(bool value) { enabled = value; }

#if TAPER_LINE_TABLES

namespace {

// Where the library, or another one, was loaded; null for no code.
const void* module_of(const void* code, std::string_view* path = nullptr) {
  Dl_info info;
  if (!dladdr(code, &info)) return nullptr;
  if (path && info.dli_fname) *path = info.dli_fname;
  return info.dli_fbase;
}

// Code that stands between a program and Taper, or below its main().
bool is_of_the_system(std::string_view path) {
  path.remove_prefix(path.rfind('/') + 1);
  for (const std::string_view name :
       {"libc.", "libc-", "libstdc++.", "libc++.", "libgomp.", "libpthread", "ld-"})
    if (path.starts_with(name)) return true;
  return false;
}

bool is_header_of_taper_or_the_system(std::string_view file) {
  return file.find("include/taper/") != file.npos || file.find("include/c++/") != file.npos;
}

struct Search {
  const void* own;
  std::string text;
};

void ignore(void*, const char*, int) {}

// Called for the functions inlined at one place, the innermost first; other than 0 ends the search.
int see_line(void* data, std::uintptr_t, const char* file, int line, const char*) {
  if (!file || is_header_of_taper_or_the_system(file)) return 0;
  std::string_view name = file;
  name.remove_prefix(name.rfind('/') + 1);
  static_cast<Search*>(data)->text = concat(" (at ", name, ":", line, ")");
  return 1;
}

_Unwind_Reason_Code see_frame(_Unwind_Context* context, void* data) {
  static backtrace_state* const tables = backtrace_create_state(nullptr, 1, ignore, nullptr);
  Search& search = *static_cast<Search*>(data);
  // What is returned to lies behind the call.
  const std::uintptr_t call = _Unwind_GetIP(context) - 1;
  std::string_view path;
  const void* module = module_of(reinterpret_cast<const void*>(call), &path);
  if (!module || module == search.own || is_of_the_system(path)) return _URC_NO_REASON;
  return tables && backtrace_pcinfo(tables, call, see_line, ignore, data) ? _URC_END_OF_STACK
                                                                          : _URC_NO_REASON;
}

}  // namespace

std::string detail::caller_line() {
  if (!enabled) return "";
  Search search{module_of(reinterpret_cast<const void*>(&set_error_lines)), ""};
  _Unwind_Backtrace(see_frame, &search);
  return search.text;
}

#else

std::string detail::caller_line() { return ""; }

#endif

}  // namespace taper
