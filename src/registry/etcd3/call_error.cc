// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/call_error.h"

namespace flannel {
namespace {

bool says(std::string_view text, std::string_view what) {
  return text.find(what) != std::string_view::npos;
}

ErrorKind kind_of(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
      return ErrorKind::denied;
    case grpc::StatusCode::INVALID_ARGUMENT:
      // etcd answers a wrong password and a missing token with this code.
      return says(status.error_message(), "authentication failed") || wants_authentication(status)
                 ? ErrorKind::denied
                 : ErrorKind::invalid;
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::OUT_OF_RANGE:
      return ErrorKind::not_found;
    case grpc::StatusCode::ALREADY_EXISTS:
      return ErrorKind::exists;
    case grpc::StatusCode::FAILED_PRECONDITION:
      return says(status.error_message(), "lease already exists") ? ErrorKind::exists
                                                                  : ErrorKind::system;
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return ErrorKind::exhausted;
    case grpc::StatusCode::UNIMPLEMENTED:
      return ErrorKind::unsupported;
    default:
      return ErrorKind::unavailable;
  }
}

}  // namespace

Error to_error(const grpc::Status& status) {
  std::string text = status.error_message();
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) text = "no answer in time";
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    text = "this server does not speak etcd's v3 protocol (" + text + ")";
  }
  if (says(text, "http1.x server")) {
    text = "this endpoint answers HTTP/1 only, as a proxy of etcd's API v2 does";
  }
  if (text.empty()) text = "code " + std::to_string(status.error_code());
  return {kind_of(status), std::move(text)};
}

bool is_of_etcd(const grpc::Status& status) {
  return status.error_message().starts_with("etcdserver: ");
}

bool is_silence(const grpc::Status& status) {
  // gRPC has this text when a ping is not answered.
  return status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
         says(status.error_message(), "keepalive watchdog timeout");
}

bool wants_authentication(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAUTHENTICATED ||
         says(status.error_message(), "invalid auth token") ||
         says(status.error_message(), "user name is empty") ||
         says(status.error_message(), "revision of auth store is old");
}

bool is_too_long(const Error& error) {
  // The text distinguishes an error of gRPC from one of etcd, which uses the same code when busy.
  return error.kind == ErrorKind::exhausted && says(error.text, "message larger than max");
}

bool says_authentication_is_off(const Error& error) {
  return says(error.text, "authentication is not enabled");
}

}  // namespace flannel
