// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "base/line_limit.h"
#include "base/printable.h"

namespace flannel::log {
namespace {

std::atomic<int> verbosity{0};
std::function<void(std::string_view)> captured;

spdlog::logger& logger() {
  // Leaked on purpose, since threads may log until the end of the process.
  static spdlog::logger* const instance = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    auto* made = new spdlog::logger("flanneld", std::move(sink));
    made->set_pattern("%L%m%d %H:%M:%S.%f %7t %s:%#] %v");
    made->set_level(spdlog::level::info);
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *instance;
}

// The greatest length of a field in bytes; our own texts are much shorter.
constexpr std::size_t kMostOfAField = 1000;

struct Limit {
  std::mutex mutex;
  LineLimit lines;
  std::function<void()> on_held_back;
};

Limit& limit() {
  static Limit* const instance = new Limit;  // leaked like the logger
  return *instance;
}

void put(spdlog::level::level_enum level, const std::string& line,
         const std::source_location& where) {
  if (captured) return captured(line);
  const spdlog::source_loc location{where.file_name(), static_cast<int>(where.line()),
                                    where.function_name()};
  logger().log(location, level, spdlog::string_view_t(line));
}

void put_counts(const std::vector<LineLimit::HeldBack>& ended) {
  for (const LineLimit::HeldBack& held : ended) {
    const double seconds = std::chrono::duration<double>(held.within).count();
    put(spdlog::level::warn,
        fmt::format("{}: {} more lines like this in {:.1f} s", printable(held.kind), held.lines,
                    seconds),
        std::source_location::current());
  }
}

bool admits(std::string_view message) {
  const TimePoint now = BootClock::now();
  std::unique_lock lock(limit().mutex);
  const auto ended = limit().lines.take_ended(now);
  const bool held_some = limit().lines.next_end() != kNever;
  const bool admitted = limit().lines.admits(message, now);
  const auto hook = admitted || held_some ? std::function<void()>() : limit().on_held_back;
  lock.unlock();
  put_counts(ended);
  if (hook) hook();
  return admitted;
}

void write(spdlog::level::level_enum level, std::string_view message, Fields fields,
           const std::source_location& where, bool limited = true) {
  if (!logger().should_log(level)) return;
  if (limited && !admits(message)) return;
  // The message is our own text, but it may quote an object's name: keep it on one line too.
  std::string line = printable(shortened(message, kMostOfAField));
  for (const Field& field : fields) {
    line.append(" ").append(field.name).append("=");
    line += word_or_quoted(shortened(field.value, kMostOfAField));
  }
  put(level, line, where);
}

}  // namespace

void info(std::string_view message, Fields fields, std::source_location where) {
  write(spdlog::level::info, message, fields, where);
}

void warning(std::string_view message, Fields fields, std::source_location where) {
  write(spdlog::level::warn, message, fields, where);
}

void error(std::string_view message, Fields fields, std::source_location where) {
  write(spdlog::level::err, message, fields, where);
}

void verbose(int level, std::string_view message, Fields fields, std::source_location where) {
  if (verbosity.load(std::memory_order_relaxed) < level) return;
  write(spdlog::level::info, message, fields, where, false);
}

TimePoint write_held_back(TimePoint now) {
  std::unique_lock lock(limit().mutex);
  const auto ended = limit().lines.take_ended(now);
  const TimePoint next = limit().lines.next_end();
  lock.unlock();
  put_counts(ended);
  return next;
}

void on_held_back(std::function<void()> hook) {
  const std::lock_guard lock(limit().mutex);
  limit().on_held_back = std::move(hook);
}

void set_least_level(Level least) {
  logger().set_level(least == Level::info      ? spdlog::level::info
                     : least == Level::warning ? spdlog::level::warn
                     : least == Level::error   ? spdlog::level::err
                                               : spdlog::level::off);
}

void capture(std::function<void(std::string_view line)> reader) {
  captured = std::move(reader);
  const std::lock_guard lock(limit().mutex);
  limit().lines = LineLimit();
}

void set_verbosity(int level) {
  verbosity.store(level, std::memory_order_relaxed);
}

}  // namespace flannel::log
