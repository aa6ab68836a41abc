// SPDX-License-Identifier: Apache-2.0
// One line per state change: a fixed message and its fields, on standard error, as text, as JSON,
// or as fields of systemd's journal. Usable from every thread.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace flannel::log {

enum class Level { info, warning, error, nothing };
std::string_view to_string(Level level);

// How lines are written. text: with the header that flannel operators grep for, "I1122
// 16:28:19.465649    4844 main.cc:475] text". automatic: as fields of the journal if standard error
// leads there and the process was started by systemd (JOURNAL_STREAM), otherwise as text.
enum class Format { automatic, text, json };
// Text until this is called. Must be called before other threads are started.
void set_format(Format format);

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

// While it lives, each line of this thread has the field of_network=NAME. An empty name: nothing is
// different. They may be nested.
class AboutNetwork {
 public:
  explicit AboutNetwork(const std::string& name);  // `name` must outlive this object
  ~AboutNetwork();
  AboutNetwork(const AboutNetwork&) = delete;
  AboutNetwork& operator=(const AboutNetwork&) = delete;

 private:
  const std::string* before_;
};

// At most 10 lines with the same message are written in a second. The others are counted, and the
// count is written after that second, with the next line of any kind or by this call. Lines of
// verbose() are not limited, because the operator asked for them.
// Returns when to call this again; kNever: no line is held back.
TimePoint write_held_back(TimePoint now = BootClock::now());
// `hook` is called when the first line is held back, on the thread that wrote the line.
void on_held_back(std::function<void()> hook);

// A line that was written, but not one of verbose().
struct Event {
  std::chrono::system_clock::time_point time;
  Level level = Level::info;
  std::string message;
  std::vector<std::pair<std::string, std::string>> fields;
};
// The last events, the oldest first; at most kMostEvents.
inline constexpr std::size_t kMostEvents = 1000;
std::vector<Event> recent_events();

void set_verbosity(int level);
int verbosity();
// Drops the lines below `least`, for a program whose output is an answer and not a log.
void set_least_level(Level least);
// Passes the lines to `reader` without their header instead of writing them; an empty function
// restores standard error. Discards what was held back. For tests with one thread.
void capture(std::function<void(std::string_view line)> reader);

}  // namespace flannel::log
