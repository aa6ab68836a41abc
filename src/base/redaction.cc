// SPDX-License-Identifier: Apache-2.0
#include "base/redaction.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>

namespace flannel {
namespace {

constexpr std::size_t kLeastSecret = 4;  // bytes; shorter ones would hide half of every text

constexpr auto kSecretNames =
    std::to_array<std::string_view>({"password", "passwd", "passphrase", "secret", "token", "psk",
                                     "presharedkey", "privatekey", "credential", "httpauth"});

bool is_letter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

bool belongs_to_name(char c) {
  return is_letter(c) || c == '_' || c == '-' || c == '.';
}

// Letters and digits alone, in lower case: Private-Key and PRIVATE_KEY are one name.
std::string plain(std::string_view name) {
  std::string made;
  for (const char c : name) {
    if (is_letter(c)) made += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return made;
}

void hide_literally(std::string& text, std::string_view secret) {
  if (secret.size() < kLeastSecret) return;
  for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) {
    text.replace(at, secret.size(), kHidden);
    at += kHidden.size();
  }
}

void hide_pem(std::string& text) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr std::string_view kEnd = "-----END ";
  for (std::size_t at = text.find(kBegin); at != std::string::npos; at = text.find(kBegin, at)) {
    const std::size_t end = text.find(kEnd, at);
    const std::size_t dashes = end == std::string::npos ? end : text.find("-----", end + 9);
    // Without its end the rest is taken.
    text.replace(at, dashes == std::string::npos ? dashes : dashes + 5 - at, kHidden);
    at += kHidden.size();
  }
}

// http://user:password@host: what is between the slashes and the last @ before the path.
void hide_users_of_urls(std::string& text) {
  constexpr std::string_view kMark = "://";
  for (std::size_t at = text.find(kMark); at != std::string::npos; at = text.find(kMark, at)) {
    at += kMark.size();
    const std::size_t end = std::min(text.find_first_of("/?#, \t\n\"'", at), text.size());
    const std::size_t user = std::string_view(text).substr(0, end).rfind('@');
    if (user == std::string::npos || user < at) continue;
    text.replace(at, user - at, kHidden);
    at += kHidden.size();
  }
}

// Returns the end of the value that begins at `at`: of a quoted one the closing quote.
std::size_t end_of_value(std::string_view text, std::size_t at) {
  const char quote = text[at - 1];
  if (quote != '"' && quote != '\'') {
    return std::min(text.find_first_of(" \t\r\n,;&\"'}", at), text.size());
  }
  while (at < text.size() && text[at] != quote)
    at += text[at] == '\\' ? 2 : 1;
  return std::min(at, text.size());
}

// Returns where the value begins of which the name ends at `at`; npos: none does. After a name in
// JSON only texts count, so that the rest stays JSON.
std::size_t begin_of_value(std::string_view text, std::size_t at) {
  const bool is_json = at < text.size() && text[at] == '"';
  if (is_json) ++at;
  at = std::min(text.find_first_not_of(' ', at), text.size());
  if (at == text.size() || (text[at] != '=' && text[at] != ':')) return std::string_view::npos;
  at = text.find_first_not_of(' ', at + 1);
  if (at == std::string_view::npos) return at;
  if (text[at] == '"' || text[at] == '\'') return at + 1;
  return is_json ? std::string_view::npos : at;
}

void hide_named(std::string& text) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (!belongs_to_name(text[at])) {
      ++at;
      continue;
    }
    const std::size_t begin = at;
    while (at < text.size() && belongs_to_name(text[at]))
      ++at;
    if (!names_secret(std::string_view(text).substr(begin, at - begin))) continue;
    const std::size_t value = begin_of_value(text, at);
    if (value == std::string::npos) continue;
    const std::size_t end = end_of_value(text, value);
    if (end == value) continue;
    text.replace(value, end - value, kHidden);
    at = value + kHidden.size();
  }
}

}  // namespace

bool names_secret(std::string_view name) {
  const std::string short_name = plain(name);
  if (short_name.ends_with("file")) return false;
  return std::ranges::any_of(kSecretNames, [&](std::string_view secret) {
    return short_name.find(secret) != std::string::npos;
  });
}

std::string without_secrets(std::string_view text, std::span<const std::string> secrets) {
  std::string made(text);
  for (const std::string& secret : secrets)
    hide_literally(made, secret);
  hide_pem(made);
  hide_users_of_urls(made);
  hide_named(made);
  return made;
}

}  // namespace flannel
