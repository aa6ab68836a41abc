// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

#include "base/printable.h"

namespace flannel::log {
namespace {

std::atomic<int> verbosity{0};
std::function<void(std::string_view)> captured;

spdlog::logger& logger() {
  // Leaked on purpose: threads may log until the very end of the process.
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

void write(spdlog::level::level_enum level, std::string_view message, Fields fields,
           const std::source_location& where) {
  if (!logger().should_log(level)) return;
  // The message is our own text, but it may quote an object's name: keep it on one line too.
  std::string line = printable(message);
  for (const Field& field : fields) {
    line.append(" ").append(field.name).append("=");
    line += word_or_quoted(field.value);
  }
  if (captured) return captured(line);
  const spdlog::source_loc location{where.file_name(), static_cast<int>(where.line()),
                                    where.function_name()};
  logger().log(location, level, spdlog::string_view_t(line));
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
  if (verbosity.load(std::memory_order_relaxed) >= level) info(message, fields, where);
}

void set_least_level(Level least) {
  logger().set_level(least == Level::info      ? spdlog::level::info
                     : least == Level::warning ? spdlog::level::warn
                     : least == Level::error   ? spdlog::level::err
                                               : spdlog::level::off);
}

void capture(std::function<void(std::string_view line)> reader) {
  captured = std::move(reader);
}

void set_verbosity(int level) {
  verbosity.store(level, std::memory_order_relaxed);
}

}  // namespace flannel::log
