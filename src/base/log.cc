// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

namespace flannel::log {
namespace {

std::atomic<int> verbosity{0};

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

bool plain(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (c <= ' ' || c == '"' || c == '\\' || c == 0x7f) return false;
  }
  return true;
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  out += '"';
}

// The message is our own text, but it may quote an object's name: keep it on one line too.
std::string one_line(std::string_view message) {
  std::string line;
  for (const char c : message) {
    if (c == '\n') {
      line += "\\n";
    } else {
      line += static_cast<unsigned char>(c) < ' ' || c == 0x7f ? '?' : c;
    }
  }
  return line;
}

void write(spdlog::level::level_enum level, std::string_view message, Fields fields,
           const std::source_location& where) {
  std::string line = one_line(message);
  for (const Field& field : fields) {
    line.append(" ").append(field.name).append("=");
    if (plain(field.value)) {
      line += field.value;
    } else {
      append_quoted(line, field.value);
    }
  }
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

void set_verbosity(int level) {
  verbosity.store(level, std::memory_order_relaxed);
}

}  // namespace flannel::log
