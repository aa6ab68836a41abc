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
// printed quoted and escaped, so that a stranger's text cannot forge a line; a very long one is
// cut.
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
// Printed only at `--v` of at least `level` (2: each peer, 4: each kernel object).
void verbose(int level, std::string_view message, Fields fields = {},
             std::source_location where = std::source_location::current());

// Of lines with one message 10 a second are written. The others are counted, and the count is
// written with the next line of any kind, or when write_held_back() is called, once the second is
// over. What verbose() prints was asked for and has no such bound.
// Returns when there will be more of them to write; kNever: none is held back.
TimePoint write_held_back(TimePoint now = BootClock::now());
// `hook` is called when a line was held back and none was before; by the thread that wrote it.
void on_held_back(std::function<void()> hook);

void set_verbosity(int level);
// Lines below it are dropped: what a program does whose output is an answer, not a log.
void set_least_level(Level least);
// Lines go there instead, without their header; an empty function: back to standard error. What was
// held back before is forgotten. For tests with one thread.
void capture(std::function<void(std::string_view line)> reader);

}  // namespace flannel::log
