// SPDX-License-Identifier: Apache-2.0
#include "registry/store_clock.h"

#include <ctime>
#include <memory>
#include <utility>

namespace flannel {
namespace {

constexpr const char* kDateForm = "%a, %d %b %Y %H:%M:%S GMT";
constexpr int kLastYear = 2261;  // the last whole one of a ServerTime, which counts nanoseconds

EndpointAccess without_secrets(EndpointAccess access) {
  access.secret = {};
  for (HttpAccess& endpoint : access.endpoints)
    endpoint.username.clear();
  return access;
}

Result<ServerTime> time_of(const HttpAnswer& answer) {
  const auto date = answer.head.headers.find("date");
  const auto time =
      date == answer.head.headers.end() ? std::nullopt : parse_http_date(date->second);
  if (!time) return fail(ErrorKind::invalid, "the store's answer does not have its time");
  return *time;
}

}  // namespace

std::optional<ServerTime> parse_http_date(std::string_view text) {
  const std::string date(text);
  std::tm parts{};
  const char* end = ::strptime(date.c_str(), kDateForm, &parts);
  if (end == nullptr || *end != '\0' || parts.tm_year + 1900 > kLastYear) return std::nullopt;
  return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

StoreClock::StoreClock(EndpointAccess access, std::string path, Loop& loop)
    : calls_(std::make_shared<EndpointSession>(without_secrets(std::move(access))),
             {.authorize = [](const std::string&, HttpAccess&, HttpCall&) {},
              .check = [](const HttpAnswer&) { return Result<void>(); }},
             loop),
      path_(std::move(path)) {}

void StoreClock::ask(Reply<ServerTime> reply) {
  HttpCall call{.method = "GET", .path = path_, .body = {}, .content_type = {}};
  calls_.call(std::move(call), EndpointCalls::Effect::read,
              [reply = std::move(reply)](Result<HttpAnswer> answer) {
                reply(answer ? time_of(*answer) : Failure(std::move(answer.error())));
              });
}

}  // namespace flannel
