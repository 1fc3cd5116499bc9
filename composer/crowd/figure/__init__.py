"""Figures by code: body, dress, armour and arms as closed skinned parts, and the kits made of them."""
