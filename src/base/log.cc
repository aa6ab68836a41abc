// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/journal.h"
#include "base/line_limit.h"
#include "base/log_line.h"
#include "base/printable.h"

namespace flannel::log {
namespace {

std::atomic<int> current_verbosity{0};
std::function<void(std::string_view)> captured;

constexpr const char* kTextHeader = "%L%m%d %H:%M:%S.%f %7t %s:%#] %v";

spdlog::logger& logger() {
  // Leaked on purpose, since threads may log until the end of the process.
  static spdlog::logger* const instance = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    auto* made = new spdlog::logger("flanneld", std::move(sink));
    made->set_pattern(kTextHeader);
    made->set_level(spdlog::level::info);
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *instance;
}

Format format = Format::text;  // automatic: the journal
Journal& journal() {
  static Journal* const instance = new Journal;  // leaked like the logger
  return *instance;
}

// The greatest length of a field in bytes; our own texts are much shorter.
constexpr std::size_t kMostOfAField = 1000;

struct Events {
  std::mutex mutex;
  std::deque<Event> last;
};

Events& events() {
  static Events* const instance = new Events;  // leaked like the logger
  return *instance;
}

Level level_of(spdlog::level::level_enum level) {
  return level == spdlog::level::err    ? Level::error
         : level == spdlog::level::warn ? Level::warning
                                        : Level::info;
}

// The network that this thread works for; null or empty: none that has a name.
thread_local const std::string* about = nullptr;

Event event_of(Level level, std::string_view message, Fields fields) {
  Event event{.time = std::chrono::system_clock::now(),
              .level = level,
              .message = std::string(shortened(message, kMostOfAField)),
              .fields = {}};
  for (const Field& field : fields)
    event.fields.emplace_back(field.name, shortened(field.value, kMostOfAField));
  if (about != nullptr && !about->empty()) event.fields.emplace_back("of_network", *about);
  return event;
}

void remember(Event event) {
  const std::lock_guard lock(events().mutex);
  events().last.push_back(std::move(event));
  if (events().last.size() > kMostEvents) events().last.pop_front();
}

struct Limit {
  std::mutex mutex;
  LineLimit lines;
  std::function<void()> on_held_back;
};

Limit& limit() {
  static Limit* const instance = new Limit;  // leaked like the logger
  return *instance;
}

void put_on_stderr(spdlog::level::level_enum level, const std::string& line,
                   const std::source_location& where) {
  const spdlog::source_loc location{where.file_name(), static_cast<int>(where.line()),
                                    where.function_name()};
  logger().log(location, level, spdlog::string_view_t(line));
}

void put(spdlog::level::level_enum level, const Event& event, const std::source_location& where) {
  if (captured) return captured(text_line(event));
  if (format == Format::json) return put_on_stderr(level, json_line(event, where), where);
  if (format == Format::automatic) {
    return journal().take(journal_entry(event, where), stream_line(event));
  }
  put_on_stderr(level, text_line(event), where);
}

void put_counts(const std::vector<LineLimit::HeldBack>& ended) {
  for (const LineLimit::HeldBack& held : ended) {
    const double seconds = std::chrono::duration<double>(held.within).count();
    const std::string text = fmt::format("{}: {} more lines like this in {:.1f} s",
                                         printable(held.kind), held.lines, seconds);
    put(spdlog::level::warn, event_of(Level::warning, text, {}), std::source_location::current());
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
  Event event = event_of(level_of(level), message, fields);
  put(level, event, where);
  if (limited) remember(std::move(event));
}

}  // namespace

AboutNetwork::AboutNetwork(const std::string& name) : before_(std::exchange(about, &name)) {}

AboutNetwork::~AboutNetwork() {
  about = before_;
}

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
  if (verbosity() < level) return;
  write(spdlog::level::info, message, fields, where, false);
}

std::string_view to_string(Level level) {
  return level == Level::error ? "error" : level == Level::warning ? "warning" : "info";
}

void set_format(Format wanted) {
  format = wanted;
  if (format == Format::automatic && !journal().open()) format = Format::text;
  logger().set_pattern(format == Format::json ? "%v" : kTextHeader);
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
  current_verbosity.store(level, std::memory_order_relaxed);
}

int verbosity() {
  return current_verbosity.load(std::memory_order_relaxed);
}

std::vector<Event> recent_events() {
  const std::lock_guard lock(events().mutex);
  return {events().last.begin(), events().last.end()};
}

}  // namespace flannel::log
