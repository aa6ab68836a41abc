// SPDX-License-Identifier: Apache-2.0
// What is written for an event: pure functions, one for each place that a log goes to.
#pragma once

#include <source_location>
#include <string>

#include "base/log.h"

namespace flannel::log {

// `message name=value`, without the header. Each value is one word or quoted, and control
// characters are escaped, so that text from outside cannot forge a line.
std::string text_line(const Event& event);

// The same with the priority before it and a newline, as systemd reads it from standard error:
// "<4>message name=value".
std::string stream_line(const Event& event);

// One JSON object in ASCII, without a newline: `time` (RFC 3339, UTC, with microseconds), `level`,
// `message`, `source` (file:line), and `fields`, an object of texts. Bytes that are not UTF-8
// become U+FFFD.
std::string json_line(const Event& event, const std::source_location& where);

// A datagram of the journal's native protocol (https://systemd.io/JOURNAL_NATIVE_PROTOCOL):
// MESSAGE (the line of text_line()), PRIORITY, SYSLOG_IDENTIFIER, CODE_FILE, CODE_LINE, and each
// field of the event as FLANNEL_ and its name in capitals.
std::string journal_entry(const Event& event, const std::source_location& where);

}  // namespace flannel::log
