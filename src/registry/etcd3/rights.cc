// SPDX-License-Identifier: Apache-2.0
#include "registry/etcd3/rights.h"

namespace flannel {

EtcdRight read_of(const std::string& key) {
  return {"read " + key};
}

EtcdRight read_of_all_below(const std::string& prefix) {
  return {"--prefix=true read " + prefix};
}

EtcdRight write_of(const std::string& key) {
  return {"readwrite " + key};
}

EtcdRight write_of_all_below(const std::string& prefix) {
  return {"--prefix=true readwrite " + prefix};
}

bool lacks_right(const Error& error) {
  return error.kind == ErrorKind::denied &&
         error.text.find("permission denied") != std::string::npos;
}

Error naming_right(Error error, const EtcdRight& right) {
  if (lacks_right(error)) {
    error.text += "; what is missing: \"etcdctl role grant-permission ROLE " + right.text + "\"";
  }
  return error;
}

}  // namespace flannel
