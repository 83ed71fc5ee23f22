#include "agent/handover/source/wanted_reservation.h"

#include "agent/handover/base/data_plane.h"

namespace cardswap {

ReservationRequest wanted_reservation(const Migration& m, const Transfer& transfer,
                                      const Instance& source, const Config& config) {
  ReservationRequest wanted;
  wanted.migration = m.id();
  wanted.spec = source.job().spec;
  wanted.device = parse_destination(transfer.record().to).device;
  wanted.state_bytes = source.record().state_bytes;
  wanted.relocatable_bytes = source.record().relocatable_bytes;
  wanted.epoch = m.epoch();
  wanted.from = transfer.record().from;
  wanted.from_api = config.listen_address().text();
  if (is_own_network(source.network)) wanted.addresses = own_addresses();
  wanted.framework = source.framework;
  wanted.arrive = m.spec().arrive;
  wanted.store = m.spec().store;
  wanted.tag = m.spec().tag;
  wanted.encrypt = m.spec().encrypt;
  return wanted;
}

}  // namespace cardswap
