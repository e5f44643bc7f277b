"""A notification that comes without an id gets a random one."""

from uuid import RFC_4122, UUID

from notify_sse.log.new_id import new_id


def test_it_is_a_random_uuid_as_text() -> None:
    """As `uuid4` writes it, every bit that may be random is."""
    found = [UUID(text) for text in (new_id() for _ in range(2000))]
    assert len(set(found)) == 2000
    assert all(one.version == 4 and one.variant == RFC_4122 for one in found)
    assert {str(one) for one in found} == {str(one).lower() for one in found}
    ever, always = 0, (1 << 128) - 1
    for one in found:
        ever |= one.int
        always &= one.int
    fixed = ~(ever ^ always) & ((1 << 128) - 1)
    assert fixed == 0xF000_C000_0000_0000_0000, "only version and variant are the same in all"
