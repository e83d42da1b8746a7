"""Which VAT an invoice carries, and a fee with its VAT. PURE (payments.md 2; domain.md rules 67-68)."""

from __future__ import annotations

from dataclasses import dataclass

from market import Market, Tier
from services.money import percent_of

EU = frozenset("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split())
EEA = EU | {"IS", "LI", "NO"}
SEPA = EEA | frozenset("AD AL CH GB MC MD ME MK RS SM VA".split())


@dataclass(frozen=True, slots=True)
class VatRule:
    """EN 16931 category (S standard, AE reverse charge, O outside the scope) and the rate in percent."""

    category: str
    percent: int


@dataclass(frozen=True, slots=True)
class Price:
    """A yearly fee in minor units of the market's currency."""

    net: int
    vat: int
    gross: int
    vat_percent: int
    net_after_allowance: int


def vat_rule(market: Market, buyer_country: str, buyer_vat_id: str) -> VatRule:
    """Domestic rate at home and for EU buyers without a VAT id; reverse charge with one; outside the EU no VAT."""
    if buyer_country == market.seller.country:
        return VatRule("S", market.vat_percent)
    if buyer_country not in EU:
        return VatRule("O", 0)
    return VatRule("AE", 0) if buyer_vat_id else VatRule("S", market.vat_percent)


def price(tier: Tier, rule: VatRule) -> Price:
    """The fee of one year with its VAT under `rule`. The allowance is net, as is the fee (domain.md 3)."""
    vat = percent_of(tier.fee, rule.percent)
    return Price(tier.fee, vat, tier.fee + vat, rule.percent, max(0, tier.fee - tier.allowance))


def prices(market: Market, rule: VatRule) -> dict[str, Price]:
    """Every tier's price under `rule`, by tier key."""
    return {tier.key: price(tier, rule) for tier in market.tiers}


def transfer_hint(payer_country: str, market: Market) -> str:
    """What a bank transfer may cost the payer, as a code the templates put into words; never a fee of ours.

    `sepa_eea`, `sepa_other`, `domestic`, `eea_conversion`, `swift` (payments.md 3, charges hint; PSD2 art. 62(4)).
    """
    if market.currency == "EUR" and payer_country in EEA:
        return "sepa_eea"
    if market.currency == "EUR" and payer_country in SEPA:
        return "sepa_other"
    if payer_country == market.seller.country:
        return "domestic"
    return "eea_conversion" if payer_country in EEA else "swift"
