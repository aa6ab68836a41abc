// SPDX-License-Identifier: Apache-2.0
#include "core/store_address.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/parse.h"
#include "base/printable.h"

namespace flannel {
namespace {

using Kind = StoreAddress::Kind;

constexpr std::array<std::pair<std::string_view, Kind>, 5> kKinds{{{"etcd2", Kind::etcd2},
                                                                   {"etcd3", Kind::etcd3},
                                                                   {"consul", Kind::consul},
                                                                   {"sqlite", Kind::sqlite},
                                                                   {"memory", Kind::memory}}};

Failure refuse(std::string_view text, std::string_view why) {
  constexpr std::size_t kShown = 200;
  return fail(ErrorKind::invalid, fmt::format("{}: {}", in_quotes(text.substr(0, kShown)), why));
}

std::optional<Kind> kind_of(std::string_view name) {
  const auto* found = std::ranges::find(kKinds, name, &std::pair<std::string_view, Kind>::first);
  return found == kKinds.end() ? std::nullopt : std::optional(found->second);
}

bool has_control_or_blank(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; });
}

Result<std::vector<std::string>> read_endpoints(std::string_view text, std::string_view list) {
  std::vector<std::string> endpoints;
  for (const std::string_view endpoint : split(list, ',')) {
    if (endpoint.empty()) return refuse(text, "an endpoint is empty");
    if (endpoint.find('@') != std::string_view::npos) {
      return refuse(text, "an endpoint must not contain a user name or a password");
    }
    endpoints.emplace_back(endpoint);
  }
  if (endpoints.size() > StoreAddress::kMostEndpoints) {
    return refuse(text, fmt::format("has more than {} endpoints", StoreAddress::kMostEndpoints));
  }
  return endpoints;
}

}  // namespace

Result<StoreAddress> StoreAddress::parse(std::string_view text) {
  if (text.size() > kLongest) {
    return refuse(text, fmt::format("is longer than {} bytes", kLongest));
  }
  if (has_control_or_blank(text)) return refuse(text, "contains a blank or a control character");
  const auto colon = std::min(text.find(':'), text.size());
  const auto kind = kind_of(text.substr(0, colon));
  if (!kind || colon == text.size()) {
    return refuse(text, "is not like etcd3:http://HOST:2379, etcd2:…, consul:… or sqlite:/PATH");
  }
  std::string_view place = text.substr(colon + 1);
  StoreAddress address{.kind = *kind};
  if (const auto mark = place.rfind('#'); mark != std::string_view::npos) {
    address.prefix = place.substr(mark + 1);
    place = place.substr(0, mark);
    if (address.prefix.empty()) return refuse(text, "the prefix after # is empty");
  }
  if (*kind == Kind::sqlite) {
    if (!place.starts_with('/')) return refuse(text, "the path must begin with /");
    address.path = place;
  } else if (*kind != Kind::memory) {
    address.endpoints = TRY(read_endpoints(text, place));
  } else if (!place.empty()) {
    return refuse(text, "memory has no endpoints");
  }
  return address;
}

std::string_view to_string(StoreAddress::Kind kind) {
  return std::ranges::find(kKinds, kind, &std::pair<std::string_view, Kind>::second)->first;
}

std::string to_string(const StoreAddress& address) {
  std::string text = fmt::format("{}:{}{}", to_string(address.kind), address.path,
                                 fmt::join(address.endpoints, ","));
  if (address.prefix != StoreAddress().prefix || address.path.find('#') != std::string::npos) {
    text += "#" + address.prefix;
  }
  return text;
}

}  // namespace flannel
