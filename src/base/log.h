// SPDX-License-Identifier: Apache-2.0
// One line per state change: a fixed message and its fields, on standard error, in the header
// format that flannel operators grep for: "I1122 16:28:19.465649    4844 main.cc:475] text".
// Usable from every thread.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <initializer_list>
#include <source_location>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace flannel::log {

enum class Level { info, warning, error, nothing };

// One `name=value` at the end of a line. A value with blanks, quotes or control characters is
// printed quoted and escaped, so that text from outside cannot forge a line; a very long value is
// truncated.
struct Field {
  std::string_view name;
  std::string value;

  Field(std::string_view field_name, std::string_view text) : name(field_name), value(text) {}
  Field(std::string_view field_name, const char* text) : name(field_name), value(text) {}
  Field(std::string_view field_name, const std::string& text) : name(field_name), value(text) {}
  template <typename T>
  Field(std::string_view field_name, const T& any) : name(field_name), value(fmt::to_string(any)) {}
};

using Fields = std::initializer_list<Field>;

void info(std::string_view message, Fields fields = {},
          std::source_location where = std::source_location::current());
void warning(std::string_view message, Fields fields = {},
             std::source_location where = std::source_location::current());
void error(std::string_view message, Fields fields = {},
           std::source_location where = std::source_location::current());
// Writes the line only if `--v` is at least `level` (2: each peer, 4: each kernel object).
void verbose(int level, std::string_view message, Fields fields = {},
             std::source_location where = std::source_location::current());

// At most 10 lines with the same message are written in a second. The others are counted, and the
// count is written after that second, with the next line of any kind or by this call. Lines of
// verbose() are not limited, because the operator asked for them.
// Returns when to call this again; kNever: no line is held back.
TimePoint write_held_back(TimePoint now = BootClock::now());
// `hook` is called when the first line is held back, on the thread that wrote the line.
void on_held_back(std::function<void()> hook);

void set_verbosity(int level);
// Drops the lines below `least`, for a program whose output is an answer and not a log.
void set_least_level(Level least);
// Passes the lines to `reader` without their header instead of writing them; an empty function
// restores standard error. Discards what was held back. For tests with one thread.
void capture(std::function<void(std::string_view line)> reader);

}  // namespace flannel::log
